"""What we take from Dagster's private modules, all of it here; each name has a test of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dagster._config.field_utils import IntEnvVar
from dagster._core.decorator_utils import get_valid_name_permutations
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationTargetMaterializationData
from dagster._core.definitions.data_version import extract_data_version_from_entry
from dagster._core.definitions.metadata import NamespacedMetadataSet
from dagster._utils.names import clean_name
from dagster._utils.tags import normalize_tags
from dagster_shared.check import CheckError
from dagster_shared.libraries import DagsterLibraryRegistry
from dagster_shared.record import copy as copy_record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dagster import AssetsDefinition
    from dagster._core.definitions.assets.graph.asset_graph import AssetGraph

CONTEXT_NAMES = frozenset(get_valid_name_permutations("context"))
"""Names by which Dagster recognises a function's first parameter as the context."""


def with_op_tags(made: AssetsDefinition, op_tags: Mapping[str, Any] | None) -> AssetsDefinition:
    """Give the step of an asset that was just made its tags: Dagster's builder of observed assets takes none."""
    if op_tags:
        made.op._tags = normalize_tags({**made.op.tags, **op_tags})  # there is no public way
    return made


def all_assets(context: Any) -> tuple[AssetGraph, bool]:
    """Return the assets and checks that a step can know of beside those of its run, and whether these are all.

    They are all those of the code location.  A run that was started in the process of its definitions, as in tests,
    has none: its job knows of which assets it was made, and a job of ops knows of no asset.
    """
    try:
        return context.repository_def.asset_graph, True
    except CheckError:
        graph = context.job_def.asset_layer.asset_graph
        return getattr(graph, "source_asset_graph", graph), False


__all__ = [
    "CONTEXT_NAMES",
    "AssetCheckEvaluationTargetMaterializationData",
    "DagsterLibraryRegistry",
    "IntEnvVar",
    "NamespacedMetadataSet",
    "all_assets",
    "clean_name",
    "copy_record",
    "extract_data_version_from_entry",
    "with_op_tags",
]
