"""Results of the core as Dagster metadata: labels, tables and the data version."""

# No `from __future__ import annotations`: the metadata set's annotations are read at run time.

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster_shared.check import CheckError

from dagster_kitops._compat import NamespacedMetadataSet
from kitops_orchestration.oci.reference import page_in_browser
from kitops_orchestration.presentation.markdown import block

if TYPE_CHECKING:
    from kitops_orchestration.lineage.answers.compare import ModelKitDiff
    from kitops_orchestration.mlflow_bridge.runs.record import DatasetRecord
    from kitops_orchestration.modelkit.inspect import ModelKit
    from kitops_orchestration.modelkit.pack import PackResult

_MOST_JSON = 64 * 1024  # characters
SIZE_LABEL = "dagster/size_bytes"
"""Shown by the UI as the storage badge; the one place of the size, so that it is plotted once."""
UNCHANGED_TAG = "kitops/unchanged"
"""Event tag of a materialization whose digest is the one before."""
REPOSITORY_LABEL = "kitops/repository"
STAGE_LABEL = "kitops/stage"
"""Definition metadata: the promotion stage that the asset is."""
TAGS_LABEL = "kitops/tags"
"""Definition metadata: the tags that move, ``{partition}`` and all; the first one is the asset's version."""
SIGNED_LABEL = "kitops/sign"
"""Definition metadata: the asset's ModelKits are signed before a tag points at them."""
ASKS_LABEL = "kitops/asks"
"""Metadata of a check of ours: what it asks."""
REFERENCE_LABEL = "kitops/reference"
DIGEST_LABEL = "kitops/digest"
FLAVOR_LABEL = "kitops/flavor"
"""Definition metadata: the MLflow flavour that saves what the asset returns."""
URI_LABEL = "dagster/uri"
"""Definition metadata that the UI shows as Storage."""
FILTERS_LABEL = "kitops/include"
"""``AssetIn`` metadata: the filters of the layers that a consumer wants."""

_LAYER_SCHEMA = dg.TableSchema(
    columns=[
        dg.TableColumn("kind", "string"),
        dg.TableColumn("path", "string"),
        dg.TableColumn("name", "string"),
        dg.TableColumn("size_bytes", "int"),
        dg.TableColumn("uploaded", "bool", description="False: the registry had it already"),
        dg.TableColumn("digest", "string", description="Twelve digits: the UI cuts longer ones off"),
    ]
)


class ModelKitMetadataSet(NamespacedMetadataSet):
    """The labels below ``kitops/`` that a ModelKit event carries; splat it into metadata.

    ``reference`` is pinned by digest.  The total size is under ``dagster/size_bytes`` only.
    """

    reference: str | None = None
    digest: str | None = None
    short_digest: str | None = None
    tag: str | None = None
    layer_count: int | None = None
    uploaded_bytes: int | None = None
    model_name: str | None = None
    framework: str | None = None
    license: str | None = None
    promoted_from: str | None = None
    previous_digest: str | None = None
    reason: str | None = None
    signed: bool | None = None
    signer: str | None = None

    @classmethod
    def namespace(cls) -> str:
        """The labels' prefix."""
        return "kitops"


def modelkit_metadata(result: "PackResult | ModelKit") -> dict[str, Any]:
    """Return the metadata of one ModelKit: identity, Kitfile, layers table, size."""
    kitfile = result.kitfile
    model, package = kitfile.model, kitfile.package
    web_page = page_in_browser(result.reference)
    facts = ModelKitMetadataSet(
        reference=str(result.reference.with_digest(result.digest)),
        digest=str(result.digest),
        short_digest=result.digest.short,
        tag=result.reference.tag,
        layer_count=len(result.layers),
        uploaded_bytes=getattr(result, "uploaded_bytes", None),
        model_name=(model.name if model else None) or (package.name if package else None) or None,
        framework=(model.framework if model else None) or None,
        license=(model.license if model else None) or (package.license if package else None) or None,
    )
    return {
        **facts,
        **({} if web_page is None else {"kitops/registry": dg.MetadataValue.url(web_page)}),
        "kitops/kitfile": dg.MetadataValue.md(block(kitfile.to_yaml(), "yaml")),
        "kitops/layers": layers_table(result.layers),
        "kitops/pull_command": _commands(str(result.reference.with_digest(result.digest))),
        SIZE_LABEL: result.size_bytes,
        **answer_metadata("kitops/modelkit", result.to_json()),
    }


def layers_table(layers: Sequence[Any]) -> dg.TableMetadataValue:
    """Return one row per layer."""
    records = [
        dg.TableRecord(
            {
                "kind": layer.kind,
                "path": layer.path or "",
                "name": layer.name or "",
                "size_bytes": layer.descriptor.size,
                "uploaded": bool(getattr(layer, "is_uploaded", False)),
                "digest": layer.descriptor.digest.short,
            }
        )
        for layer in layers
    ]
    return dg.MetadataValue.table(records=records, schema=_LAYER_SCHEMA)


def parameters_table(parameters: Mapping[str, str]) -> dg.TableMetadataValue:
    """Return one row per parameter of a run, by name."""
    columns = [dg.TableColumn("parameter", "string"), dg.TableColumn("value", "string")]
    records = [dg.TableRecord({"parameter": name, "value": str(parameters[name])}) for name in sorted(parameters)]
    return dg.MetadataValue.table(records=records, schema=dg.TableSchema(columns=columns))


def datasets_table(datasets: "Sequence[DatasetRecord]") -> dg.TableMetadataValue:
    """Return one row per dataset that a run was told of."""
    names = ("name", "context", "rows", "digest", "source")
    columns = [dg.TableColumn(name, "int" if name == "rows" else "string") for name in names]
    records = [
        dg.TableRecord(
            {
                "name": item.name,
                "context": item.context or "",
                "rows": _rows(item.profile),
                "digest": item.sha256 or item.digest,
                "source": item.uri or "",
            }
        )
        for item in datasets
    ]
    return dg.MetadataValue.table(records=records, schema=dg.TableSchema(columns=columns))


def _rows(profile: Any) -> int | None:
    """Return how many rows a dataset has, where MLflow was told so: its profile is whatever somebody logged."""
    rows = profile.get("num_rows") if isinstance(profile, dict) else None
    return rows if isinstance(rows, int) else None


def _commands(reference: str) -> dg.MarkdownMetadataValue:
    """Return what to type to have the ModelKit, and to ask where it comes from."""
    return dg.MetadataValue.md(f"```sh\nkitctl unpack {reference} -d model\nkitctl lineage {reference}\n```")


def is_own_label(label: str) -> bool:
    """Tell whether a label says what a ModelKit is: nobody else may write it."""
    return label.startswith("kitops/") or label == SIZE_LABEL


def own_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a user says of a ModelKit, as Dagster takes it: numbers and arrays of numpy as Python's own.

    Asked for before anything is pushed: what cannot be said shall not be found out after a tag has moved.

    Raises:
        dagster.Failure: a label of ours, or a value that Dagster does not take.
    """
    taken = sorted(label for label in metadata if is_own_label(str(label)))
    if taken:
        raise dg.Failure(
            description=f"the metadata {', '.join(taken)} would replace what is known of the ModelKit itself: give it "
            "another label",
            allow_retries=False,
        )
    return sayable({str(label): _plain_number(value) for label, value in metadata.items()})


def sayable(metadata: dict[str, Any]) -> dict[str, Any]:
    """Return metadata that Dagster takes; asked for before a tag moves.

    Raises:
        dagster.Failure: a value that Dagster does not take.
    """
    try:
        dg.AssetObservation(asset_key="modelkit", metadata=metadata)
    except (dg.DagsterInvalidMetadata, dg.DagsterInvalidDefinitionError, CheckError) as error:
        raise dg.Failure(description=f"metadata of a ModelKit: {error}", allow_retries=False) from error
    return metadata


def _plain_number(value: Any) -> Any:
    """Return a number, or an array of them, of numpy and its like as Python's own."""
    if isinstance(value, (str, int, float, bool, dg.MetadataValue)) and type(value).__module__ != "numpy":
        return value
    for name in ("item", "tolist"):  # an array of one, a scalar; an array
        try:
            return getattr(value, name)()
        except (AttributeError, TypeError, ValueError):
            continue
    return value


def diff_metadata(difference: "ModelKitDiff") -> dict[str, Any]:
    """Return what changed since the version before: for people, and as the object that ``kitctl diff --json`` prints.

    The object is left out where it is large, see :func:`answer_metadata`.
    """
    shown = {"kitops/diff": dg.MetadataValue.md(difference.to_markdown())}
    return {**shown, **answer_metadata("kitops/changes", difference.to_json())}


def page_metadata(label: str, markdown: str) -> dict[str, Any]:
    """Return a page for people below ``label``; nothing where it is large: it is kept with every event."""
    return {label: dg.MetadataValue.md(markdown)} if len(markdown) <= _MOST_JSON else {}


_FOR_PEOPLE = (
    "kitops/reason",
    "kitops/diff",
    "kitops/signed",
    "kitops/signer",
    "kitops/plan",
    "kitops/review",
    "kitops/registry",
    "kitops/mlflow_run",
    "kitops/passport",
    "kitops/pull_command",
)


def ordered(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return an event's metadata as people read it.

    What was said of the ModelKit (metrics), what changed, who signed, the plan, links; then what it is; the objects
    that programs read at the end.
    """

    def place(label: str) -> tuple[int, int]:
        if not is_own_label(label):
            return 0, 0
        if label in _FOR_PEOPLE:
            return 1, _FOR_PEOPLE.index(label)
        return (3 if isinstance(metadata[label], dg.JsonMetadataValue) else 2), 0

    return {label: metadata[label] for label in sorted(metadata, key=place)}


def answer_metadata(label: str, answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return an answer's ``to_json()`` below ``label``; nothing where it is large: it is kept with every event."""
    is_small = len(json.dumps(answer, default=str)) <= _MOST_JSON
    return {label: dg.MetadataValue.json(dict(answer))} if is_small else {}


def data_version(digest: str) -> dg.DataVersion:
    """Return the digest as data version: equal content is the same version, whoever built it."""
    return dg.DataVersion(str(digest))
