"""KitClient: the verbs bound to one registry, one set of credentials and one set of limits.

This is what the Airflow hook and the Dagster resource hold.  It decides nothing: each method resolves its
references, opens the repositories and calls one verb of the core.

    >>> client = KitClient("file:///tmp/models")
    >>> client.reference("team/iris:v1")
    Reference(registry='file:///tmp/models', repository='team/iris', tag='v1', digest=None)
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kitops_orchestration.client.evidence_verbs import EvidenceVerbs
from kitops_orchestration.client.machine_verbs import MachineVerbs
from kitops_orchestration.client.promotion_verbs import PromotionVerbs
from kitops_orchestration.errors import InvalidReferenceError
from kitops_orchestration.oci.reference import Reference

if TYPE_CHECKING:
    from kitops_orchestration.lineage.publish import Published
    from kitops_orchestration.mlflow_bridge.export import ExportResult
    from kitops_orchestration.modelkit.diff import ModelKitDiff
    from kitops_orchestration.modelkit.inspect import ModelKit
    from kitops_orchestration.modelkit.pack import PackResult
    from kitops_orchestration.modelkit.unpack import UnpackResult
    from kitops_orchestration.oci.copy import CopyResult
    from kitops_orchestration.oci.repository import Repository


@dataclass(frozen=True, slots=True)
class Copied:
    """A ModelKit after it moved: where it is now, pinned, and what had to move."""

    reference: Reference
    copy: CopyResult


class KitClient(EvidenceVerbs, PromotionVerbs, MachineVerbs):
    """The verbs of the core, bound.

    Args:
        registry: completes references that name none: ``host[:port]`` or ``file:///folder``.
        credentials: where to look credentials up; Docker's configuration when ``None``.
        plain_http: ``None`` allows HTTP without TLS for loopback hosts only.
        tls: verification and client certificates.
        limits: bounds on connections, waiting and memory.
        progress: called from worker threads with every step of every blob.
        cancel: set this event to stop running transfers within a second; nothing half-written stays.
        proxy: ``http://[user:password@]host:port``, the way to every registry; ``None`` leaves it to ``HTTPS_PROXY``,
            ``HTTP_PROXY`` and ``NO_PROXY``.
        checkpoint: where uploads of more than one chunk are remembered, so that another process, a retry of a task,
            goes on where this one was interrupted; ``oci.transfer_checkpoint.FileCheckpoint`` keeps them in a file.

    Not one method keeps state, so a client may be shared by threads.
    """

    def check(self) -> None:
        """Ask the registry whether it is there and takes the credentials; raises the error tree's reason."""
        if self.registry is None:
            raise InvalidReferenceError(
                "no registry is configured", advice="give the client, connection or resource a registry"
            )
        next(iter(self.repository("kitops-orchestration-check").tags()), None)

    def pack(self, context_dir: Path | str, reference: str | Reference, **options: Any) -> PackResult:
        """Pack a directory straight into the reference's repository, a folder or a registry.

        ``options`` are those of :func:`kitops_orchestration.modelkit.pack.pack`.
        """
        from kitops_orchestration.modelkit.pack import pack

        where = self.reference(reference)
        options = {"open_parent": self.repository, **options}
        return pack(Path(context_dir), self.repository(where), tag=where.tag, **self._moving(options))

    def publish(self, context_dir: Path | str, reference: str | Reference, **options: Any) -> Published:
        """Pack a directory, attach where it comes from, sign, and move the tags last.

        ``options`` are those of :func:`kitops_orchestration.lineage.publish.publish`, and ``pack``'s.

        Raises:
            SignatureError: ``sign`` without a ``signer``; nothing was packed.
        """
        from kitops_orchestration.lineage.publish import publish

        where = self.reference(reference)
        options = {"open_parent": self.repository, **options}
        return publish(Path(context_dir), self.repository(where), tag=where.tag, **self._moving(options))

    def unpack(self, reference: str | Reference, target_dir: Path | str, **options: Any) -> UnpackResult:
        """Unpack a ModelKit, or the parts that ``filters`` choose, into a directory.

        ``options`` are those of :func:`kitops_orchestration.modelkit.unpack.unpack`.
        """
        from kitops_orchestration.modelkit.unpack import unpack

        where = self.reference(reference)
        options = {"open_parent": self.repository, **options}
        return unpack(self.repository(where), where.target, Path(target_dir), **self._moving(options))

    def inspect(self, reference: str | Reference) -> ModelKit:
        """Read manifest and Kitfile; no layer is fetched."""
        from kitops_orchestration.modelkit.inspect import inspect

        where = self.reference(reference)
        return inspect(self.repository(where), where.target)

    def diff(self, left: str | Reference, right: str | Reference) -> ModelKitDiff:
        """Compare two ModelKits by Kitfile, layers and files; no layer is fetched over a network."""
        from kitops_orchestration.modelkit.file_list import diff_with_files

        one, two = self.reference(left), self.reference(right)
        return diff_with_files(self.repository(one), one.target, self.repository(two), two.target)

    def copy(
        self,
        source: str | Reference,
        destination: str | Reference,
        *,
        referrers: bool = False,
        from_kit: bool = False,
        to_kit: bool = False,
        **options: Any,
    ) -> Copied:
        """Copy a ModelKit to another repository or tag: push, pull and mirror are this one verb.

        A destination without a tag keeps the source's.  ``referrers=True`` takes its evidence along.  With
        ``from_kit`` or ``to_kit`` that side is the Kit CLI's own storage on this machine.

        Raises:
            RegistryError: ``side`` says which end failed.
        """
        from kitops_orchestration.oci.copy import copy

        where, to = self.reference(source), self.reference(destination)
        tag = to.tag or where.tag
        result = copy(
            self._kit_storage(where) if from_kit else self.repository(where),
            where.target,
            self._kit_storage(to) if to_kit else self.repository(to),
            tag=tag,
            referrers=referrers,
            **self._moving(options),
        )
        pinned = Reference(to.registry, to.repository, tag, result.descriptor.digest)
        return Copied(pinned, result)

    def _kit_storage(self, where: Reference) -> Repository:
        from kitops_orchestration.modelkit.kit_storage import KitStorageRepository

        return KitStorageRepository(where, limits=self.limits)

    def push(self, source: str | Reference, destination: str | Reference, **options: Any) -> Copied:
        """Copy from a folder registry to a registry."""
        return self.copy(source, destination, **options)

    def pull(self, source: str | Reference, destination: str | Reference, **options: Any) -> Copied:
        """Copy from a registry to a folder registry, with the parents that the ModelKit stands on."""
        from kitops_orchestration.modelkit.pull import pull_parents

        start, to = self.reference(source), self.reference(destination)
        moving = self._moving({key: value for key, value in options.items() if key == "referrers"})
        pull_parents(self.repository(start), start.target, self.repository(to), open_parent=self.repository, **moving)
        return self.copy(source, destination, **options)

    def tag(self, reference: str | Reference, tag: str) -> Reference:
        """Point another tag of the same repository at what ``reference`` names; no bytes move."""
        where = self.reference(reference)
        repository = self.repository(where)
        descriptor = repository.resolve(where.target)
        result = where.with_tag(tag).with_digest(descriptor.digest)
        repository.set_tag(tag, descriptor)
        return result

    def tags(self, reference: str | Reference) -> list[str]:
        """List the tags of a repository in lexical order."""
        return list(self.repository(reference).tags())

    def export_run(self, source: str, reference: str | Reference, **options: Any) -> ExportResult:
        """Export an MLflow run, logged model or registered version as a ModelKit.

        ``options`` are those of :func:`kitops_orchestration.mlflow_bridge.export.export_run`.

        Raises:
            MissingExtraError: MLflow is not installed.
        """
        from kitops_orchestration.mlflow_bridge.export import export_run

        where = self.reference(reference)
        return export_run(source, self.repository(where), tag=where.tag, **self._moving(options))
