"""ModelKits inside Dagster: assets, checks, sensors, an IO manager, promotion and components.

Glue only: every verb is the core's (:mod:`kitops_orchestration`); here live Dagster's words for it.  Names are
imported on first use, so that ``dg`` pays nothing for what a project does not touch, and so that
:mod:`dagster_kitops.pipes` works where Dagster is not installed::

    import dagster as dg
    from dagster_kitops import KitOpsResource, modelkit_asset

    @modelkit_asset(repository="team/churn")
    def churn_model():
        return train()  # a directory with a Kitfile

    defs = dg.Definitions(assets=[churn_model], resources={"kitops": KitOpsResource(registry="localhost:5000")})
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dagster_kitops.asset_checks import CheckedModelKit as CheckedModelKit
    from dagster_kitops.asset_checks import Finding as Finding
    from dagster_kitops.asset_checks import ModelKitCheck as ModelKitCheck
    from dagster_kitops.asset_checks import build_modelkit_checks as build_modelkit_checks
    from dagster_kitops.assets import mlflow_modelkit_asset as mlflow_modelkit_asset
    from dagster_kitops.assets import modelkit_asset as modelkit_asset
    from dagster_kitops.assets import modelkit_assets as modelkit_assets
    from dagster_kitops.components.modelkit import ModelKitComponent as ModelKitComponent
    from dagster_kitops.components.promotion import ModelKitPromotionComponent as ModelKitPromotionComponent
    from dagster_kitops.components.registry import ModelKitRegistryComponent as ModelKitRegistryComponent
    from dagster_kitops.components.resource import KitOpsResourceComponent as KitOpsResourceComponent
    from dagster_kitops.content import ModelKitContent as ModelKitContent
    from dagster_kitops.event_log import RecordedModelKit as RecordedModelKit
    from dagster_kitops.event_log import latest_metadata as latest_metadata
    from dagster_kitops.event_log import latest_modelkit as latest_modelkit
    from dagster_kitops.event_log import modelkit_history as modelkit_history
    from dagster_kitops.event_log import require_modelkit as require_modelkit
    from dagster_kitops.io_manager import ModelKitIOManager as ModelKitIOManager
    from dagster_kitops.metadata import ModelKitMetadataSet as ModelKitMetadataSet
    from dagster_kitops.modelkit_checks import build_modelkit_integrity_checks as build_modelkit_integrity_checks
    from dagster_kitops.modelkit_checks import build_modelkit_policy_checks as build_modelkit_policy_checks
    from dagster_kitops.modelkit_checks import build_modelkit_provenance_checks as build_modelkit_provenance_checks
    from dagster_kitops.modelkit_checks import build_modelkit_signature_checks as build_modelkit_signature_checks
    from dagster_kitops.modelkit_checks import build_modelkit_smoke_checks as build_modelkit_smoke_checks
    from dagster_kitops.modelkit_checks import build_modelkit_tag_checks as build_modelkit_tag_checks
    from dagster_kitops.modelkit_checks import integrity_check as integrity_check
    from dagster_kitops.modelkit_checks import policy_checks as policy_checks
    from dagster_kitops.modelkit_checks import provenance_check as provenance_check
    from dagster_kitops.modelkit_checks import signature_check as signature_check
    from dagster_kitops.modelkit_checks import tag_check as tag_check
    from dagster_kitops.observation import build_observable_modelkits as build_observable_modelkits
    from dagster_kitops.openlineage import build_modelkit_lineage_sensor as build_modelkit_lineage_sensor
    from dagster_kitops.partitions import partition_tag as partition_tag
    from dagster_kitops.promotion import PromotionStage as PromotionStage
    from dagster_kitops.promotion import build_promotion_assets as build_promotion_assets
    from dagster_kitops.promotion_jobs import ApprovalConfig as ApprovalConfig
    from dagster_kitops.promotion_jobs import PromoteConfig as PromoteConfig
    from dagster_kitops.promotion_jobs import RollbackConfig as RollbackConfig
    from dagster_kitops.promotion_jobs import build_approval_job as build_approval_job
    from dagster_kitops.promotion_jobs import build_promotion_job as build_promotion_job
    from dagster_kitops.promotion_jobs import build_rollback_job as build_rollback_job
    from dagster_kitops.resources import AnonymousAuth as AnonymousAuth
    from dagster_kitops.resources import BasicAuth as BasicAuth
    from dagster_kitops.resources import DockerConfigAuth as DockerConfigAuth
    from dagster_kitops.resources import KitOpsResource as KitOpsResource
    from dagster_kitops.resources import ModelKitSignerResource as ModelKitSignerResource
    from dagster_kitops.resources import TokenAuth as TokenAuth
    from dagster_kitops.resources import TrustResource as TrustResource
    from dagster_kitops.sensors import build_modelkit_tag_sensor as build_modelkit_tag_sensor
    from dagster_kitops.translator import DagsterKitOpsTranslator as DagsterKitOpsTranslator
    from dagster_kitops.translator import ModelKitTranslatorData as ModelKitTranslatorData
    from dagster_kitops.translator import build_modelkit_asset_spec as build_modelkit_asset_spec

_HOMES = {
    "AnonymousAuth": "resources",
    "ApprovalConfig": "promotion_jobs",
    "BasicAuth": "resources",
    "CheckedModelKit": "asset_checks",
    "DagsterKitOpsTranslator": "translator",
    "DockerConfigAuth": "resources",
    "Finding": "asset_checks",
    "KitOpsResource": "resources",
    "KitOpsResourceComponent": "components.resource",
    "ModelKitCheck": "asset_checks",
    "ModelKitComponent": "components.modelkit",
    "ModelKitContent": "content",
    "ModelKitIOManager": "io_manager",
    "ModelKitMetadataSet": "metadata",
    "ModelKitPromotionComponent": "components.promotion",
    "ModelKitRegistryComponent": "components.registry",
    "ModelKitSignerResource": "resources",
    "ModelKitTranslatorData": "translator",
    "PromoteConfig": "promotion_jobs",
    "PromotionStage": "promotion",
    "RecordedModelKit": "event_log",
    "RollbackConfig": "promotion_jobs",
    "TokenAuth": "resources",
    "TrustResource": "resources",
    "build_approval_job": "promotion_jobs",
    "build_modelkit_asset_spec": "translator",
    "build_modelkit_checks": "asset_checks",
    "build_modelkit_integrity_checks": "modelkit_checks",
    "build_modelkit_lineage_sensor": "openlineage",
    "build_modelkit_policy_checks": "modelkit_checks",
    "build_modelkit_provenance_checks": "modelkit_checks",
    "build_modelkit_signature_checks": "modelkit_checks",
    "build_modelkit_smoke_checks": "modelkit_checks",
    "build_modelkit_tag_checks": "modelkit_checks",
    "build_modelkit_tag_sensor": "sensors",
    "build_observable_modelkits": "observation",
    "build_promotion_assets": "promotion",
    "build_promotion_job": "promotion_jobs",
    "build_rollback_job": "promotion_jobs",
    "integrity_check": "modelkit_checks",
    "latest_metadata": "event_log",
    "latest_modelkit": "event_log",
    "mlflow_modelkit_asset": "assets",
    "modelkit_asset": "assets",
    "modelkit_assets": "assets",
    "modelkit_history": "event_log",
    "partition_tag": "partitions",
    "policy_checks": "modelkit_checks",
    "provenance_check": "modelkit_checks",
    "require_modelkit": "event_log",
    "signature_check": "modelkit_checks",
    "tag_check": "modelkit_checks",
}

__all__ = sorted(_HOMES)  # noqa: PLE0605 # one list of names, not two


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
