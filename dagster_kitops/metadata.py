"""Results of the core as Dagster metadata: labels, tables and the data version."""

# No `from __future__ import annotations`: the metadata set's annotations are read at run time.

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from dagster_kitops._compat import NamespacedMetadataSet
from kitops_orchestration.modelkit.markdown import block

if TYPE_CHECKING:
    from kitops_orchestration.mlflow_bridge.record import DatasetRecord
    from kitops_orchestration.modelkit.diff import ModelKitDiff
    from kitops_orchestration.modelkit.inspect import ModelKit
    from kitops_orchestration.modelkit.pack import PackResult

SIZE_LABEL = "dagster/size_bytes"
"""Shown by the UI as the storage badge; the one place of the size, so that it is plotted once."""
UNCHANGED_TAG = "kitops/unchanged"
"""Event tag of a materialization whose digest is the one before."""
REPOSITORY_LABEL = "kitops/repository"
REFERENCE_LABEL = "kitops/reference"
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
        "kitops/kitfile": dg.MetadataValue.md(block(kitfile.to_yaml(), "yaml")),
        "kitops/layers": layers_table(result.layers),
        "kitops/pull_command": _commands(str(result.reference.with_digest(result.digest))),
        SIZE_LABEL: result.size_bytes,
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
                "rows": item.profile.get("num_rows") if isinstance(item.profile, dict) else None,
                "digest": item.sha256 or item.digest,
                "source": item.uri or "",
            }
        )
        for item in datasets
    ]
    return dg.MetadataValue.table(records=records, schema=dg.TableSchema(columns=columns))


def _commands(reference: str) -> dg.MarkdownMetadataValue:
    """Return what to type to have the ModelKit, and to ask where it comes from."""
    return dg.MetadataValue.md(f"```sh\nkitctl unpack {reference} -d model\nkitctl lineage {reference}\n```")


def diff_metadata(difference: "ModelKitDiff") -> dict[str, Any]:
    """Return what changed since the version before, as Markdown."""
    return {"kitops/diff": dg.MetadataValue.md(difference.to_markdown())}


def data_version(digest: str) -> dg.DataVersion:
    """Return the digest as data version: equal content is the same version, whoever built it."""
    return dg.DataVersion(str(digest))
