"""From the tag to the blobs: manifest, media types, Kitfile, the list of layers, and that every blob is there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kitops_orchestration.cancel import LinkedEvent, check_cancelled
from kitops_orchestration.errors import AuthenticationError, NotFoundError
from kitops_orchestration.modelkit.base_model import Base
from kitops_orchestration.modelkit.inspect import ModelKit, ModelKitLayer, form_of
from kitops_orchestration.modelkit.kitfile.rules import clean
from kitops_orchestration.modelkit.layer_match import media_path
from kitops_orchestration.modelkit.layers import media_types
from kitops_orchestration.modelkit.layers.media_types import LayerType
from kitops_orchestration.modelkit.parents import Parent, parents_of
from kitops_orchestration.modelkit.validation.report import Report
from kitops_orchestration.oci.descriptor import Descriptor, Digest
from kitops_orchestration.oci.manifest import Index, Manifest
from kitops_orchestration.oci.media_types import ANNOTATION_BASE_DIGEST
from kitops_orchestration.oci.repository import OpenRepository, Repository
from kitops_orchestration.oci.verified import verify_blob
from kitops_orchestration.presentation.value_text import counted
from kitops_orchestration.progress import ProgressCallback
from kitops_orchestration.settings import Limits


@dataclass(frozen=True, slots=True)
class Examination:
    """One ModelKit under examination, and where findings go."""

    repository: Repository
    manifest: Manifest
    report: Report
    limits: Limits
    progress: ProgressCallback
    stop: LinkedEvent


def look_at_manifest(repository: Repository, digest: Digest, report: Report) -> Manifest | None:
    """Return the manifest if it is one, with the bytes that its digest and size promise."""
    with report.looking_at("manifest", digest):
        node = repository.fetch_manifest(digest)
        if isinstance(node, Index):
            report.wrong("manifest", "an index of several artifacts, not one ModelKit", digest)
            return None
        size = repository.resolve(digest).size
        if size != len(node.content):
            report.wrong("manifest", f"it has {len(node.content)} bytes, the repository says {size}", digest)
        report.ok("manifest", f"{len(node.content)} bytes with the digest {digest}")
        return node
    return None


def look_at_types(case: Examination) -> None:
    """Are artifactType, config and layers of types that ModelKits have, and of one format?"""
    report, manifest = case.report, case.manifest
    artifact_type, config_type = manifest.artifact_type, manifest.config.media_type
    with report.looking_at("types", manifest.config.digest):
        form_of(manifest, case.repository.reference)
        if artifact_type is not None and artifact_type not in media_types.MANIFESTS:
            report.wrong("types", f"unknown artifactType {artifact_type!r}", manifest.digest)
        elif config_type not in media_types.CONFIGS:
            report.wrong("types", f"unknown type of config {config_type!r}", manifest.config.digest)
        elif artifact_type is not None and media_types.FORMS[artifact_type] != media_types.FORMS[config_type]:
            report.wrong("types", f"artifactType {artifact_type!r} with a config of type {config_type!r}")
    for layer in manifest.layers:
        if layer.media_type != media_types.KIT_CONFIG:
            with report.looking_at("types", layer.digest):
                LayerType.parse(layer.media_type, subtype=layer.annotations.get(media_types.LAYER_SUBTYPE))
    report.ok("types", f"{artifact_type or config_type}, and {counted(len(manifest.layers), 'layer')} of known types")


def look_at_layers(case: Examination, kit: ModelKit) -> None:
    """Has each entry of the Kitfile exactly one layer, of its kind, in its order, and each layer an entry?"""
    for entry in kit.missing:
        recorded = f"; the config records {entry.digest}" if entry.digest else ""
        case.report.wrong("layers", f"the Kitfile's {entry.kind} has no layer{recorded}", entry.path)
    for layer in kit.layers if kit.is_described else ():
        if layer.position is None:
            what = f"a layer of kind {layer.kind} that no entry of the Kitfile describes"
            case.report.wrong("layers", what, layer.digest)
    for layer in kit.layers:
        said = media_path(layer.descriptor)
        if layer.position is not None and said is not None and clean(said) != clean(layer.path):
            what = f"the layer says that it stands at {said!r}, its entry {layer.path!r}"
            case.report.wrong("layers", what, layer.digest)
    for kind, layer in _out_of_order(kit):
        case.report.wrong("layers", f"the layers of kind {kind} are not in the Kitfile's order", layer.digest)
    case.report.ok("layers", f"{counted(len(kit.layers), 'layer')}, one for each entry of the Kitfile that has one")


def _out_of_order(kit: ModelKit) -> Iterator[tuple[str, ModelKitLayer]]:
    """Yield layers behind one whose entry comes later: the Kit CLI matches both by counting."""
    last: dict[str, int] = {}
    for layer in kit.layers:
        if layer.position is not None:
            if layer.position < last.get(layer.kind, -1):
                yield layer.kind, layer
            last[layer.kind] = max(layer.position, last.get(layer.kind, -1))


def look_at_blobs(case: Examination, blobs: Sequence[Descriptor], reads_layers: bool) -> None:
    """Is each blob there, with its size and, where it is read, its digest?"""
    for blob in dict.fromkeys(blobs):
        check_cancelled(case.stop)
        if reads_layers or blob == case.manifest.config:
            with case.report.looking_at("blobs", blob.digest):
                verify_blob(case.repository, blob)
        elif not case.repository.has_blob(blob):
            case.report.wrong("blobs", f"not there, or not with {blob.size} bytes", blob.digest)
    total = sum(blob.size for blob in dict.fromkeys(case.manifest.blobs))
    how = "read and verified" if reads_layers else "there in full length"
    case.report.ok("blobs", f"{len(case.manifest.blobs)} blobs of {total} bytes {how}")


def _look_at_base(case: Examination, parent: Parent, base: Base) -> None:
    """Is the base pinned, and is it still what its name means?"""
    tag = parent.reference.tag
    if base.digest is None:
        case.report.add("parents", "note", f"{base.path} is not pinned by a digest: it is whatever that tag points at")
    elif tag is not None:
        try:
            now = parent.repository.resolve(tag).digest
        except NotFoundError:
            case.report.add(
                "parents", "note", f"{parent.reference.with_tag(tag)} is gone; the base is there by its digest"
            )
            return
        if now != base.digest:
            case.report.add("parents", "note", f"{parent.reference.with_tag(tag)} is {now} by now, not the base")


def look_at_parents(case: Examination, kit: ModelKit, open_parent: OpenRepository | None) -> None:
    """Can every ModelKit that this one stands on be reached?"""
    try:
        with case.report.looking_at("parents"):
            base = kit.base
            said = kit.manifest.annotations.get(ANNOTATION_BASE_DIGEST)
            if base is not None and said is not None and said != base.digest:
                case.report.wrong("parents", f"the manifest's {ANNOTATION_BASE_DIGEST} is {said!r}, not {base.digest}")
            parents = parents_of(kit.kitfile, case.repository, open_parent, pin=base.digest if base else None)
            names = ", ".join(str(parent.reference) for parent in parents)
            case.report.ok("parents", f"reached: {names}" if names else "stands on no other ModelKit")
            if parents and base is not None:
                _look_at_base(case, parents[0], base)
    except AuthenticationError as error:  # whoever unpacks it with these credentials cannot reach it either
        case.report.wrong("parents", str(error))
