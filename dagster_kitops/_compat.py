"""What we take from Dagster's private modules, all of it here; each name has a test of its own."""

from __future__ import annotations

from dagster._config.field_utils import IntEnvVar
from dagster._core.decorator_utils import get_valid_name_permutations
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationTargetMaterializationData
from dagster._core.definitions.data_version import extract_data_version_from_entry
from dagster._core.definitions.metadata import NamespacedMetadataSet
from dagster._utils.names import clean_name
from dagster_shared.libraries import DagsterLibraryRegistry
from dagster_shared.record import copy as copy_record

CONTEXT_NAMES = frozenset(get_valid_name_permutations("context"))
"""Names by which Dagster recognises a function's first parameter as the context."""

__all__ = [
    "CONTEXT_NAMES",
    "AssetCheckEvaluationTargetMaterializationData",
    "DagsterLibraryRegistry",
    "IntEnvVar",
    "NamespacedMetadataSet",
    "clean_name",
    "copy_record",
    "extract_data_version_from_entry",
]
