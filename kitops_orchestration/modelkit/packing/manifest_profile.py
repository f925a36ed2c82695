"""How a ModelKit's manifest is written: as today's Kit CLI does, as 1.7 did, or always the same.

``reproducible`` (the default) has no time of its own: with ``SOURCE_DATE_EPOCH`` set ``created`` is that
moment, else it is left out, because file times differ after every checkout and the digest must not.  Input that
has a time of its own, a run or a commit, gives that: see :func:`created_from`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from kitops_orchestration import settings
from kitops_orchestration._version import __version__
from kitops_orchestration.errors import ModelKitError
from kitops_orchestration.modelkit.kitfile import Kitfile
from kitops_orchestration.modelkit.layers import media_types
from kitops_orchestration.oci import canonical
from kitops_orchestration.oci.descriptor import EMPTY, Descriptor
from kitops_orchestration.oci.manifest import Manifest
from kitops_orchestration.oci.media_types import ANNOTATION_CREATED
from kitops_orchestration.oci.media_types import MANIFEST as OCI_MANIFEST

if TYPE_CHECKING:
    from kitops_orchestration.modelkit.packing.plan import PlannedLayer
    from kitops_orchestration.modelkit.packing.walk import Entry

Profile = Literal["reproducible", "kit", "kit-1.7"]
WRITER = "kitops-orchestration"
_REGULAR = ord("0")


def created_at(profile: Profile) -> str | None:
    """Return the creation time to write, RFC 3339 in UTC with whole seconds, or ``None`` for none."""
    if profile == "kit-1.7":
        return None
    epoch = settings.source_date_epoch()
    if profile == "reproducible":
        return _rfc3339(epoch) if epoch is not None else None
    return _rfc3339(epoch if epoch is not None else int(datetime.now(UTC).timestamp()))


def created_from(seconds: float | None) -> Mapping[str, str]:
    """Return the annotation of a time that the input has of itself (a run's end, a commit), the same on every machine.

    None where the input has no such time, or ``SOURCE_DATE_EPOCH`` says another one.
    """
    if seconds is None or settings.source_date_epoch() is not None:
        return EMPTY
    return {ANNOTATION_CREATED: _rfc3339(int(seconds))}


def layer_annotations(profile: Profile, layer: PlannedLayer, file: Entry | None) -> Mapping[str, str]:
    """Return a layer's annotations; ``file`` is the file of a raw layer."""
    annotations = {}
    if profile == "kit-1.7":
        return {media_types.LAYER_SUBTYPE: media_types.PROMPT} if layer.kind == "prompt" else EMPTY
    annotations[media_types.FILE_PATH] = layer.clean_path
    if file is not None:
        annotations[media_types.FILE_METADATA] = canonical.encode(_file_metadata(profile, file)).decode()
    if layer.kind == "prompt":
        annotations[media_types.LAYER_SUBTYPE] = media_types.PROMPT
    return annotations


def _file_metadata(profile: Profile, file: Entry) -> dict[str, Any]:
    return {
        "name": file.path.rpartition("/")[2],
        "mode": file.mode & 0o777,
        "uid": 0,
        "gid": 0,
        "size": file.size,
        "mtime": _modified(profile, file.stamp[0]),
        "typeflag": _REGULAR,
    }


def _modified(profile: Profile, mtime_ns: int) -> str:
    if profile == "reproducible":
        return _rfc3339(settings.source_date_epoch() or 0)
    seconds, nanoseconds = divmod(mtime_ns, 1_000_000_000)
    local = datetime.fromtimestamp(seconds, UTC).astimezone()
    zone = local.strftime("%z")
    fraction = f".{nanoseconds:09d}".rstrip("0").rstrip(".")
    return f"{local:%Y-%m-%dT%H:%M:%S}{fraction}{'Z' if zone == '+0000' else f'{zone[:3]}:{zone[3:]}'}"


def _checked(annotations: Mapping[str, str]) -> Mapping[str, str]:
    for name, value in annotations.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise ModelKitError(f"the annotation {name!r} is {value!r}", advice="annotations are text: use quotes")
    return annotations


def build_manifest(
    profile: Profile,
    config: Descriptor,
    layers: Sequence[Descriptor],
    *,
    model_pack_kitfile: Kitfile | None = None,
    annotations: Mapping[str, str] = EMPTY,
    null_layers: bool = False,
) -> Manifest:
    """Serialise the manifest.

    Args:
        profile: who would write it.
        config: descriptor of the config blob.
        layers: descriptors in order.
        model_pack_kitfile: for a ModelPack, the Kitfile that travels in an annotation.
        annotations: more annotations; the same key replaces what the profile says.
        null_layers: write ``null`` for no layers, as Kit does and some registries refuse.

    Raises:
        ModelKitError: an annotation is not text; nobody could read the manifest (image-spec, annotations.md).
    """
    is_model_pack = model_pack_kitfile is not None
    merged = {media_types.CLI_VERSION: WRITER if profile == "reproducible" else f"{WRITER}-{__version__}"}
    created = created_at(profile)
    if created is not None:
        merged[ANNOTATION_CREATED] = created
    if model_pack_kitfile is not None:
        merged[media_types.KITFILE] = model_pack_kitfile.to_config().decode()
    merged.update(_checked(annotations))
    value: dict[str, Any] = {"schemaVersion": 2}
    if is_model_pack:
        value["mediaType"] = OCI_MANIFEST  # the model-spec requires it; for ModelKits Kit leaves it out
    artifact_type = media_types.PACK_MANIFEST if is_model_pack else media_types.KIT_MANIFEST
    if profile != "kit-1.7":
        value["artifactType"] = artifact_type
    value["config"] = config.to_json()
    value["layers"] = [layer.to_json() for layer in layers] or (None if null_layers else [])
    value["annotations"] = dict(sorted(merged.items()))
    return Manifest(
        canonical.encode(value),
        OCI_MANIFEST,
        config,
        tuple(layers),
        value.get("artifactType"),
        None,
        value["annotations"],
    )


def model_pack_config(profile: Profile, kitfile: Kitfile, diff_ids: Sequence[str]) -> bytes:
    """Return the config blob of a ModelPack (model-spec v0.0.7, config.md)."""
    package, model = kitfile.package, kitfile.model
    descriptor = {
        "createdAt": created_at(profile),
        "authors": list(package.authors),
        "name": package.name,
        "version": package.version,
        "licenses": _licenses(kitfile),
        "title": package.name,
        "description": package.description,
    }
    value = {
        "descriptor": {key: item for key, item in descriptor.items() if item},
        "modelfs": {"type": "layers", "diffIds": list(diff_ids)},
        "config": {"format": model.format} if model is not None and model.format else {},
    }
    return canonical.encode(value)


def _licenses(kitfile: Kitfile) -> list[str]:
    model = kitfile.model
    found = {kitfile.package.license}
    found |= {dataset.license for dataset in kitfile.datasets} | {code.license for code in kitfile.code}
    if model is not None:
        found |= {model.license, *(part.license for part in model.parts)}
    return sorted(found - {""})


def _rfc3339(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def created_of(manifest: Manifest, config: bytes) -> datetime | None:
    """Return when a ModelKit or ModelPack says it was made; ``None`` for what does not say, or is no time in UTC."""
    text = manifest.annotations.get(ANNOTATION_CREATED)
    try:
        if text is None and manifest.config.media_type in (media_types.PACK_CONFIG, media_types.LEGACY_PACK_CONFIG):
            text = canonical.decode(config)["descriptor"]["createdAt"]
        moment = datetime.fromisoformat(text) if text else None
        if moment is not None and moment.tzinfo is not None:
            moment.astimezone(UTC)  # the last hours of the year 9999 in the west are in no year of UTC
        return moment
    except (ValueError, TypeError, LookupError, RecursionError, OverflowError):
        return None  # with a Kitfile in an annotation nothing else of such a config is read
