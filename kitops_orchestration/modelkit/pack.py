"""Pack: a directory becomes a ModelKit in a repository, folder or registry alike.

Layers that are not compressed are never written to disk on their way: they are streamed from the files into the
repository and hashed meanwhile.  The manifest follows the blobs, the tag comes last.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypedDict

from kitops_orchestration.cancel import LinkedEvent, stopped_by
from kitops_orchestration.modelkit.base_model import base_annotations
from kitops_orchestration.modelkit.file_list import attach_packed_files
from kitops_orchestration.modelkit.kitfile import Kitfile
from kitops_orchestration.modelkit.kitfile import rules as kitfile_rules
from kitops_orchestration.modelkit.layers import media_types
from kitops_orchestration.modelkit.layers.media_types import Compression, LayerFormat
from kitops_orchestration.modelkit.packing.collection import Collector, registry_inside
from kitops_orchestration.modelkit.packing.digest_cache import DigestCache
from kitops_orchestration.modelkit.packing.gate import GateReport, GateRules, documents_of
from kitops_orchestration.modelkit.packing.gate import check as check_gate
from kitops_orchestration.modelkit.packing.manifest_profile import Profile, build_manifest, model_pack_config
from kitops_orchestration.modelkit.packing.plan import PlannedLayer, other_paths, plan_layers
from kitops_orchestration.modelkit.packing.stream import LayerSource, RawSource
from kitops_orchestration.modelkit.packing.writer import LayerWriter, WrittenLayer
from kitops_orchestration.modelkit.parents import Parent, parents_of, refuse_own_parent
from kitops_orchestration.oci.descriptor import EMPTY, Descriptor, Digest
from kitops_orchestration.oci.manifest import Manifest
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.repository import OpenRepository, Repository
from kitops_orchestration.oci.transfer.source import BytesSource
from kitops_orchestration.presentation.answer import Answer
from kitops_orchestration.presentation.page import Code, Facts, Page, Table
from kitops_orchestration.presentation.value_text import size_text
from kitops_orchestration.progress import ProgressCallback, ignore_progress
from kitops_orchestration.settings import Limits


@dataclass(frozen=True, slots=True)
class PackedLayer:
    """One layer of a packed ModelKit."""

    kind: str
    path: str
    """As the Kitfile has it."""
    name: str
    descriptor: Descriptor
    diff_id: str
    """Digest before compression."""
    is_uploaded: bool
    """False when the repository had it already."""

    @property
    def digest(self) -> str:
        """Digest of the stored bytes."""
        return self.descriptor.digest


@dataclass(frozen=True, slots=True)
class PackResult(Answer):
    """A packed ModelKit: where it is, what is in it, and what moved."""

    reference: Reference
    """Tag (if any) and digest."""
    digest: Digest
    manifest: Manifest
    kitfile: Kitfile
    layers: tuple[PackedLayer, ...]
    size_bytes: int
    """Sum of the layers as stored."""
    uploaded_bytes: int
    uploaded_layers: int
    warnings: tuple[str, ...] = ()
    """What was left out or may surprise, in words for people."""
    gate: GateReport = field(default_factory=GateReport)
    """What was looked at before the first byte was sent, and what was found."""

    def to_json(self) -> dict[str, Any]:
        """Return where it is, what is in it, and what moved; sizes in bytes."""
        return {
            "reference": str(self.reference),
            "digest": str(self.digest),
            "sizeBytes": self.size_bytes,
            "uploadedBytes": self.uploaded_bytes,
            "layers": [
                {
                    "kind": layer.kind,
                    "path": layer.path,
                    "digest": str(layer.descriptor.digest),
                    "sizeBytes": layer.descriptor.size,
                }
                for layer in self.layers
            ],
            "warnings": list(self.warnings),
        }

    def page(self) -> Page:
        """Return the layers, and where they are."""
        rows = [
            (layer.kind, layer.path, size_text(layer.descriptor.size), Code(layer.descriptor.digest.short))
            for layer in self.layers
        ]
        return Page.of(
            "",
            Table.of(("layer", "path", "size", "digest"), rows),
            Facts.of(
                ("packed", Code(str(self.reference))),
                ("size", size_text(self.size_bytes)),
                ("written", size_text(self.uploaded_bytes) if self.uploaded_bytes else "nothing, it was all there"),
            ),
        )


BeforeTag = Callable[[PackResult], object]
"""Sees a ModelKit that is stored and that no tag points at yet."""


class PackOptions(TypedDict, total=False):
    """What :func:`pack` takes by name and a client or an adapter hands through."""

    extra_tags: Sequence[str]
    kitfile: Kitfile | Path | None
    grafts: Mapping[str, Path] | None
    exclude: Sequence[str]
    compression: Compression
    layer_format: LayerFormat
    profile: Profile
    strict: Literal["kit"] | None
    model_pack: bool
    annotations: Mapping[str, str] | None
    attach_files: bool
    use_cache: bool
    gate_rules: GateRules | Mapping[str, Any]
    limits: Limits
    progress: ProgressCallback
    cancel: threading.Event | None


def pack(
    context_dir: Path,
    repository: Repository,
    *,
    tag: str | None = None,
    extra_tags: Sequence[str] = (),
    kitfile: Kitfile | Path | None = None,
    grafts: Mapping[str, Path] | None = None,
    exclude: Sequence[str] = (),
    compression: Compression = "none",
    layer_format: LayerFormat = "tar",
    profile: Profile = "reproducible",
    strict: Literal["kit"] | None = None,
    model_pack: bool = False,
    annotations: Mapping[str, str] | None = None,
    attach_files: bool = False,
    use_cache: bool = True,
    open_parent: OpenRepository | None = None,
    before_tag: BeforeTag | None = None,
    gate_rules: GateRules | Mapping[str, Any] = GateRules(),
    limits: Limits = Limits(),
    progress: ProgressCallback = ignore_progress,
    cancel: threading.Event | None = None,
) -> PackResult:
    """Pack a directory as its Kitfile says, straight into ``repository``.

    Args:
        context_dir: what the Kitfile's paths are relative to.
        repository: where blobs and manifest go.
        tag: tag to set when everything is there; ``extra_tags`` follow.
        extra_tags: more tags for the same manifest.
        kitfile: a Kitfile, or the path of one; else the one in the context.
        grafts: context path to a file or directory elsewhere, read in place as if it stood there.
        exclude: more ignore patterns in ``.kitignore`` syntax.
        compression: of every layer but MCP bundles.
        layer_format: ``raw`` stores single files as they are.
        profile: whose manifest to write; the default is the same on every machine and retry.
        strict: ``"kit"`` gives the Kit CLI's bytes also where it drops files by mistake.
        model_pack: write a CNCF ModelPack instead of a ModelKit.
        annotations: more manifest annotations; the same key replaces ours.
        attach_files: attach a list of all files with sizes and digests, so that ``diff`` compares files without a
            layer; they are read once more for it.
        use_cache: take digests of unchanged files from the cache.
        open_parent: opens the repository of a parent ModelKit; the default knows folders and registries.
        before_tag: called with the result when all of it is stored and before a tag moves; what it raises leaves the
            tags where they were.
        gate_rules: what may leave, as rules or their JSON: secrets, and files that are not what they say, are refused,
            also with ``strict``.
        limits: ``concurrency`` layers are read at the same time.
        progress: hears ``hash`` and ``push`` events, one item per layer.
        cancel: stops between two buffers.

    Raises:
        KitfileError: no Kitfile, or not a valid one.
        GateRefusedError: the layers hold secrets or broken files; nothing was sent.
        ModelKitError: a path does not exist, cannot be read, changes while it is read, or all of it is left out.
    """
    names = (*((tag,) if tag else ()), *extra_tags)
    for name in names:
        repository.reference.with_tag(name)  # checked before anything is written, not when the first tag has moved
    loaded = _load(context_dir, kitfile)
    above = parents_of(loaded, repository, open_parent)
    refuse_own_parent(above, [repository.reference.with_tag(name) for name in names])
    parents = [parent.kit.kitfile for parent in above]
    plan = plan_layers(loaded, layer_format=layer_format, compression=compression, model_pack=model_pack)
    stop = LinkedEvent(cancel)
    own_folder = registry_inside(context_dir, repository.reference)
    collector = Collector(context_dir, grafts or {}, (*exclude, *own_folder), is_strict=strict == "kit", cancel=stop)
    sources, warnings = collector.collect(plan, other_paths(loaded, parents))
    said = documents_of(loaded, annotations)
    report = _look_at(context_dir, plan, sources, said, GateRules.of(gate_rules), stop)
    report.raise_if_refused()
    warnings += report.warnings()
    warnings += [f"{folder}: a folder repository like the one that is packed into, left out" for folder in own_folder]
    writer = LayerWriter(stopped_by(repository, stop), profile, DigestCache() if use_cache else None, progress, stop)
    written = _write_layers(writer, plan, sources, limits)
    layers = tuple(
        PackedLayer(layer.kind, layer.path, layer.name, done.descriptor, done.diff_id, done.is_uploaded)
        for layer, done in zip(plan, written, strict=True)
    )
    filled = loaded.with_digests(layers)
    config = _store_config(repository, filled, profile, [layer.diff_id for layer in layers], model_pack=model_pack)
    manifest = build_manifest(
        profile,
        config,
        [layer.descriptor for layer in layers],
        model_pack_kitfile=filled if model_pack else None,
        annotations={**_base_of(loaded, above, profile, strict), **(annotations or EMPTY)},
        null_layers=strict == "kit",
    )
    where = repository.reference.with_tag(tag) if tag else repository.reference
    sent_before: Mapping[str, int] = getattr(repository, "sent_before", {})
    result = _result(where.with_digest(manifest.digest), manifest, filled, layers, warnings, report, sent_before)
    attach_list = partial(_attach_files, repository, sources) if attach_files else None
    steps = [step for step in (attach_list, before_tag) if step is not None]
    _store_manifest(repository, result, tag, extra_tags, steps)
    return result


def _base_of(
    kitfile: Kitfile, above: Sequence[Parent], profile: Profile, strict: Literal["kit"] | None
) -> Mapping[str, str]:
    """Return what the manifest says of the ModelKit that it stands on; the Kit CLI says nothing."""
    is_ours = profile == "reproducible" and strict is None
    return base_annotations(kitfile, above[0].kit.digest) if above and is_ours else EMPTY


def _result(
    reference: Reference,
    manifest: Manifest,
    kitfile: Kitfile,
    layers: tuple[PackedLayer, ...],
    warnings: Sequence[str],
    gate: GateReport,
    sent_before: Mapping[str, int],
) -> PackResult:
    new = [layer.descriptor for layer in layers if layer.is_uploaded]
    uploaded = [descriptor.size - sent_before.get(descriptor.digest, 0) for descriptor in new]
    return PackResult(
        reference=reference,
        digest=manifest.digest,
        manifest=manifest,
        kitfile=kitfile,
        layers=layers,
        size_bytes=sum(layer.descriptor.size for layer in layers),
        uploaded_bytes=sum(uploaded),
        uploaded_layers=len(uploaded),
        warnings=tuple(warnings),
        gate=gate,
    )


def _look_at(
    context_dir: Path,
    plan: Sequence[PlannedLayer],
    sources: Sequence[LayerSource],
    documents: Mapping[str, Any],
    rules: GateRules,
    cancel: threading.Event,
) -> GateReport:
    """Let the gate see the files of all layers, and what is said beside them."""
    entries = [[source.entry] if isinstance(source, RawSource) else source.entries for source in sources]
    models = {layer.path: found for layer, found in zip(plan, entries, strict=True) if layer.kind == "model"}
    return check_gate(context_dir, entries, rules, models=models, documents=documents, cancel=cancel)


def _store_manifest(
    repository: Repository,
    result: PackResult,
    tag: str | None,
    extra_tags: Sequence[str],
    steps: Sequence[BeforeTag],
) -> None:
    """Push the manifest, then set the tags; one request does both where there is no step in between."""
    descriptor = repository.push_manifest(result.manifest, tag=None if steps else tag)
    for step in steps:
        step(result)
    if steps and tag is not None:
        repository.set_tag(tag, descriptor)
    for extra in extra_tags:
        repository.set_tag(extra, descriptor)


def _attach_files(repository: Repository, sources: Sequence[LayerSource], packed: PackResult) -> None:
    listed = [(layer.digest, layer.path, source) for layer, source in zip(packed.layers, sources, strict=True)]
    attach_packed_files(repository, packed.manifest, listed)


def _store_config(
    repository: Repository, kitfile: Kitfile, profile: Profile, diff_ids: Sequence[str], *, model_pack: bool
) -> Descriptor:
    media_type = media_types.PACK_CONFIG if model_pack else media_types.KIT_CONFIG
    content = model_pack_config(profile, kitfile, diff_ids) if model_pack else kitfile.to_config()
    config = Descriptor(media_type, Digest.of(content), len(content))
    repository.push_blob(config, BytesSource(content))
    return config


def _write_layers(
    writer: LayerWriter, plan: Sequence[PlannedLayer], sources: Sequence[LayerSource], limits: Limits
) -> list[WrittenLayer]:
    """Write all layers, ``limits.concurrency`` at a time; the first failure stops the others."""
    with ThreadPoolExecutor(max(1, limits.concurrency), thread_name_prefix="kitops-pack") as pool:
        futures = [pool.submit(writer.write, layer, source) for layer, source in zip(plan, sources, strict=True)]
        try:
            for future in wait(futures, return_when=FIRST_EXCEPTION).done:
                future.result()
        except BaseException:  # also what a task's timeout or Ctrl-C raises in this thread, while the others write on
            writer.cancel.set()
            for future in futures:
                future.cancel()
            raise
        return [future.result() for future in futures]


def _load(context_dir: Path, kitfile: Kitfile | Path | None) -> Kitfile:
    if isinstance(kitfile, Kitfile):
        kitfile_rules.check(kitfile)
        return kitfile
    return Kitfile.load(kitfile if kitfile is not None else context_dir)
