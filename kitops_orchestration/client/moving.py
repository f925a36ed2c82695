"""The verbs that make ModelKits and move them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from kitops_orchestration.client.bound import Bound, Named
from kitops_orchestration.client.verb import verb
from kitops_orchestration.oci.reference import Reference

if TYPE_CHECKING:
    from kitops_orchestration.deploy.image import RenderImageOptions, Rendition
    from kitops_orchestration.lineage.publish import Published, PublishOptions
    from kitops_orchestration.modelkit.generate.generate import GenerateOptions
    from kitops_orchestration.modelkit.inspect import InspectOptions, ModelKit
    from kitops_orchestration.modelkit.kitfile import Kitfile
    from kitops_orchestration.modelkit.pack import PackOptions, PackResult
    from kitops_orchestration.modelkit.packing.gate import GateReport, GateRules
    from kitops_orchestration.modelkit.sources.any_source import ImportOptions
    from kitops_orchestration.modelkit.sources.import_source import ImportResult
    from kitops_orchestration.modelkit.unpack import UnpackOptions, UnpackResult
    from kitops_orchestration.modelkit.validate import ValidateOptions
    from kitops_orchestration.modelkit.validation.report import Validation
    from kitops_orchestration.oci.copying.graph import CopyOptions, CopyResult
    from kitops_orchestration.oci.repository import Repository
    from kitops_orchestration.oci.variant_index import Indexed, IndexOptions


@dataclass(frozen=True, slots=True)
class Copied:
    """A ModelKit after it moved: where it is now, pinned, and what had to move."""

    reference: Reference
    copy: CopyResult

    def to_json(self) -> dict[str, Any]:
        """Return where it is now, and what had to move."""
        return {
            "reference": str(self.reference),
            "digest": str(self.copy.descriptor.digest),
            "blobsCopied": self.copy.blobs_copied,
            "blobsMounted": self.copy.blobs_mounted,
            "blobsSkipped": self.copy.blobs_skipped,
            "movedBytes": self.copy.bytes_moved,
            "referrers": self.copy.referrers_copied,
        }


class MovingVerbs(Bound):
    """Describe, pack, import, unpack, look into, copy and render."""

    @verb()
    def init(self, directory: Path | str, **options: Unpack[GenerateOptions]) -> Kitfile:
        """Describe a directory: its model, data, code and docs; the Kitfile is returned and not written."""
        from kitops_orchestration.modelkit.generate.generate import generate

        return generate(Path(directory), **options)

    @verb("writes")
    def pack(self, context_dir: Path | str, reference: Named, **options: Unpack[PackOptions]) -> PackResult:
        """Pack a directory straight into the reference's repository, a folder or a registry.

        ``options`` are those of :func:`kitops_orchestration.modelkit.pack.pack`.
        """
        from kitops_orchestration.modelkit.pack import pack

        where = self.reference(reference)
        return pack(Path(context_dir), self.repository(where), tag=where.tag, **self._hand(pack, options))

    @verb("writes")
    def publish(self, context_dir: Path | str, reference: Named, **options: Unpack[PublishOptions]) -> Published:
        """Pack a directory, attach where it comes from, sign, and move the tags last.

        ``options`` are those of :func:`kitops_orchestration.lineage.publish.publish`.

        Raises:
            SignatureError: ``sign`` without a signer; nothing was packed.
        """
        from kitops_orchestration.lineage.publish import publish
        from kitops_orchestration.modelkit.pack import pack

        where = self.reference(reference)
        if options.get("statement") is None and options.get("sign", False) is False:
            options.setdefault("signer", None)  # nothing is said that a key could sign, so nobody has to open it
        told = self._hand(publish, self._hand(pack, options))
        return publish(Path(context_dir), self.repository(where), tag=where.tag, **told)

    @verb("writes")
    def import_(self, source: str, reference: Named, **options: Unpack[ImportOptions]) -> ImportResult:
        """Pack a model of the Hugging Face Hub (``organisation/name``), of a registry (``oci://``), or of git.

        ``options`` are those of :func:`kitops_orchestration.modelkit.sources.any_source.import_source`.
        """
        from kitops_orchestration.modelkit.pack import pack
        from kitops_orchestration.modelkit.sources.any_source import import_source

        where = self.reference(reference)
        told = self._hand(import_source, self._hand(pack, options))
        return import_source(source, self.repository(where), tag=where.tag, **told)

    @verb()
    def scan(self, target: Path | Named, *, gate_rules: GateRules | None = None) -> GateReport:
        """Look for secrets and broken files, in a folder or in the layers of a ModelKit; nothing is refused.

        A text that is a folder's path is that folder.  What a pack would refuse is in the report.
        """
        from kitops_orchestration.modelkit.inspect import inspect
        from kitops_orchestration.modelkit.packing.gate import check_folder
        from kitops_orchestration.modelkit.scan import scan

        rules = self._rules(gate_rules)
        if isinstance(target, Path) or (isinstance(target, str) and "://" not in target and Path(target).is_dir()):
            return check_folder(Path(target), rules)
        where = self.reference(target).or_latest()
        repository = self.pulled_from(where)
        return scan(repository, inspect(repository, where.target, limits=self.limits), rules, cancel=self.cancel)

    @verb("reads")
    def unpack(self, reference: Named, target_dir: Path | str, **options: Unpack[UnpackOptions]) -> UnpackResult:
        """Unpack a ModelKit, or the parts that ``filters`` choose, into a directory.

        ``options`` are those of :func:`kitops_orchestration.modelkit.unpack.unpack`.
        """
        from kitops_orchestration.modelkit.unpack import unpack

        where = self.reference(reference).or_latest()
        return unpack(self.pulled_from(where), where.target, Path(target_dir), **self._hand(unpack, options))

    @verb()
    def inspect(self, reference: Named, **options: Unpack[InspectOptions]) -> ModelKit:
        """Read manifest and Kitfile, also of other tools' model artifacts; no layer is fetched."""
        from kitops_orchestration.modelkit.inspect import inspect

        where = self.reference(reference).or_latest()
        given = {"allow_foreign": True, **options}
        return inspect(self.pulled_from(where), where.target, **self._hand(inspect, given))

    @verb()
    def choose(self, reference: Named, wanted: Sequence[str] = ()) -> Reference:
        """Return one of the ModelKits that an index holds, by its digest, for any other verb.

        ``wanted`` has annotations (``quantization=Q4_K_M``) or a platform (``linux/arm64``); all have to fit.  What is
        no index is itself where nothing is wanted.

        Raises:
            NotFoundError: no entry has them; the advice says what there is.
            InvalidReferenceError: several have.
        """
        from kitops_orchestration.oci.variant import choose, without_tag

        where = self.reference(reference).or_latest()
        chosen = choose(self.pulled_from(where), where.target, wanted)
        return without_tag(where, chosen) if wanted else where.with_digest(chosen.digest)

    @verb()
    def index(self, reference: Named, **options: Unpack[IndexOptions]) -> Indexed:
        """Make an index of ModelKits of one repository, each with what it is chosen by; without any, show an index.

        ``client.index("llama:v1", variants=[("v1-q4", ["quantization=Q4_K_M"]), ("v1-q8", ["quantization=Q8_0"])])``.
        Evidence, stages and approvals are those of each ModelKit, never of the index.
        """
        from kitops_orchestration.oci.variant_index import index

        where = self.reference(reference).or_latest()
        opened = self.repository(where) if options.get("variants") else self.pulled_from(where)
        return index(opened, where.target, **self._hand(index, options))

    @verb()
    def validate(self, reference: Named, **options: Unpack[ValidateOptions]) -> Validation:
        """Look at everything that a ModelKit promises; what is wrong is in the answer, not an error.

        With ``reads_layers=False`` layers are asked for existence and size alone.
        """
        from kitops_orchestration.modelkit.validate import validate

        where = self.reference(reference)
        return validate(self.pulled_from(where), where.target, **self._hand(validate, options))

    @verb()
    def info(self, reference: Named, **options: Unpack[InspectOptions]) -> Kitfile:
        """Read the Kitfile alone."""
        return self.inspect(reference, **options).kitfile

    @verb("moves")
    def copy(
        self,
        source: Named,
        destination: Named,
        *,
        from_kit: bool = False,
        to_kit: bool = False,
        **options: Unpack[CopyOptions],
    ) -> Copied:
        """Copy a ModelKit to another repository or tag: push, pull and mirror are this one verb.

        A destination without a tag keeps the source's.  ``referrers=True`` takes its evidence along.  With
        ``from_kit`` or ``to_kit`` that side is the Kit CLI's own storage on this machine.

        Raises:
            RegistryError: ``side`` says which end failed.
        """
        from kitops_orchestration.oci.copying.graph import copy

        where, to = self.reference(source).or_latest(), self.reference(destination)
        tag = to.tag or where.tag
        result = copy(
            self._kit_storage(where) if from_kit else self._source(where, to),
            where.target,
            self._kit_storage(to) if to_kit else self.repository(to),
            tag=tag,
            **self._hand(copy, options),
        )
        pinned = Reference(to.registry, to.repository, tag, result.descriptor.digest)
        return Copied(pinned, result)

    def _source(self, where: Reference, to: Reference) -> Repository:
        """Open what is copied from; inside one repository a tag moves, and mirrors know nothing of it."""
        return self.repository(where) if where.name == to.name else self.pulled_from(where)

    def _kit_storage(self, where: Reference) -> Repository:
        from kitops_orchestration.modelkit.kit_storage import KitStorageRepository

        return KitStorageRepository(where, limits=self.limits)

    @verb("moves")
    def push(self, source: Named, destination: Named, **options: Unpack[CopyOptions]) -> Copied:
        """Copy from a folder registry to a registry."""
        return self.copy(source, destination, **options)

    @verb("moves")
    def pull(self, source: Named, destination: Named, **options: Unpack[CopyOptions]) -> Copied:
        """Copy from a registry to a folder registry, with the parents that the ModelKit stands on."""
        from kitops_orchestration.modelkit.pull import pull_parents

        start, to = self.reference(source).or_latest(), self.reference(destination)
        pull_parents(self._source(start, to), start.target, self.repository(to), **self._hand(pull_parents, options))
        return self.copy(source, destination, **options)

    @verb()
    def render_image(self, reference: Named, **options: Unpack[RenderImageOptions]) -> Rendition:
        """Push a container image made of the ModelKit's own layers, beside the ModelKit."""
        from kitops_orchestration.deploy.image import render_image

        where = self.reference(reference)
        return render_image(self.repository(where), where.target, **self._hand(render_image, options))
