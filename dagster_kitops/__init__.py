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

from typing import TYPE_CHECKING

from kitops_orchestration._public import public_names

if TYPE_CHECKING:
    from dagster_kitops.assets.catalog import load_modelkit_asset_specs as load_modelkit_asset_specs
    from dagster_kitops.assets.content import ModelKitContent as ModelKitContent
    from dagster_kitops.assets.events import ModelKitEvent as ModelKitEvent
    from dagster_kitops.assets.modelkit import mlflow_modelkit_asset as mlflow_modelkit_asset
    from dagster_kitops.assets.modelkit import modelkit_asset as modelkit_asset
    from dagster_kitops.assets.modelkit import modelkit_assets as modelkit_assets
    from dagster_kitops.assets.observation import build_observable_modelkits as build_observable_modelkits
    from dagster_kitops.assets.partitions import modelkit_versions_partitions_def as modelkit_versions_partitions_def
    from dagster_kitops.assets.partitions import partition_tag as partition_tag
    from dagster_kitops.assets.site import build_catalog_asset as build_catalog_asset
    from dagster_kitops.assets.translator import DagsterKitOpsTranslator as DagsterKitOpsTranslator
    from dagster_kitops.assets.translator import ModelKitTranslatorData as ModelKitTranslatorData
    from dagster_kitops.assets.translator import build_modelkit_asset_spec as build_modelkit_asset_spec
    from dagster_kitops.checks.asset_checks import CheckedModelKit as CheckedModelKit
    from dagster_kitops.checks.asset_checks import Finding as Finding
    from dagster_kitops.checks.asset_checks import ModelKitCheck as ModelKitCheck
    from dagster_kitops.checks.asset_checks import build_modelkit_checks as build_modelkit_checks
    from dagster_kitops.checks.modelkit_checks import build_modelkit_integrity_checks as build_modelkit_integrity_checks
    from dagster_kitops.checks.modelkit_checks import build_modelkit_policy_checks as build_modelkit_policy_checks
    from dagster_kitops.checks.modelkit_checks import (
        build_modelkit_provenance_checks as build_modelkit_provenance_checks,
    )
    from dagster_kitops.checks.modelkit_checks import build_modelkit_signature_checks as build_modelkit_signature_checks
    from dagster_kitops.checks.modelkit_checks import build_modelkit_smoke_checks as build_modelkit_smoke_checks
    from dagster_kitops.checks.modelkit_checks import build_modelkit_tag_checks as build_modelkit_tag_checks
    from dagster_kitops.checks.modelkit_checks import integrity_check as integrity_check
    from dagster_kitops.checks.modelkit_checks import policy_checks as policy_checks
    from dagster_kitops.checks.modelkit_checks import provenance_check as provenance_check
    from dagster_kitops.checks.modelkit_checks import signature_check as signature_check
    from dagster_kitops.checks.modelkit_checks import tag_check as tag_check
    from dagster_kitops.components.mlflow import MlflowModelKitComponent as MlflowModelKitComponent
    from dagster_kitops.components.mlflow_models import MLflowModelsComponent as MLflowModelsComponent
    from dagster_kitops.components.modelkit import ModelKitComponent as ModelKitComponent
    from dagster_kitops.components.promotion import ModelKitPromotionComponent as ModelKitPromotionComponent
    from dagster_kitops.components.registry import ModelKitRegistryComponent as ModelKitRegistryComponent
    from dagster_kitops.components.resource import KitOpsResourceComponent as KitOpsResourceComponent
    from dagster_kitops.components.workspace import KitOpsWorkspaceComponent as KitOpsWorkspaceComponent
    from dagster_kitops.event_log import RecordedModelKit as RecordedModelKit
    from dagster_kitops.event_log import latest_metadata as latest_metadata
    from dagster_kitops.event_log import latest_modelkit as latest_modelkit
    from dagster_kitops.event_log import modelkit_history as modelkit_history
    from dagster_kitops.event_log import require_modelkit as require_modelkit
    from dagster_kitops.io_manager import ModelKitIOManager as ModelKitIOManager
    from dagster_kitops.metadata import ModelKitMetadataSet as ModelKitMetadataSet
    from dagster_kitops.mlflow_models import build_mlflow_model_sensor as build_mlflow_model_sensor
    from dagster_kitops.mlflow_models import build_observable_mlflow_models as build_observable_mlflow_models
    from dagster_kitops.mlflow_models import take_mlflow_webhook as take_mlflow_webhook
    from dagster_kitops.mlflow_resource import MLflowResource as MLflowResource
    from dagster_kitops.openlineage import build_modelkit_lineage_sensor as build_modelkit_lineage_sensor
    from dagster_kitops.promotion.assets import PromotionStage as PromotionStage
    from dagster_kitops.promotion.assets import build_promotion_assets as build_promotion_assets
    from dagster_kitops.promotion.jobs import ApprovalConfig as ApprovalConfig
    from dagster_kitops.promotion.jobs import PromoteConfig as PromoteConfig
    from dagster_kitops.promotion.jobs import RollbackConfig as RollbackConfig
    from dagster_kitops.promotion.jobs import build_approval_job as build_approval_job
    from dagster_kitops.promotion.jobs import build_promotion_job as build_promotion_job
    from dagster_kitops.promotion.jobs import build_rollback_job as build_rollback_job
    from dagster_kitops.resources import AnonymousAuth as AnonymousAuth
    from dagster_kitops.resources import BasicAuth as BasicAuth
    from dagster_kitops.resources import DockerConfigAuth as DockerConfigAuth
    from dagster_kitops.resources import KitOpsResource as KitOpsResource
    from dagster_kitops.resources import ModelKitSignerResource as ModelKitSignerResource
    from dagster_kitops.resources import OtherRegistry as OtherRegistry
    from dagster_kitops.resources import TokenAuth as TokenAuth
    from dagster_kitops.resources import TrustResource as TrustResource
    from dagster_kitops.sensors import build_modelkit_tag_sensor as build_modelkit_tag_sensor
    from dagster_kitops.validation import validate_modelkits as validate_modelkits

__all__ = [
    "AnonymousAuth",
    "ApprovalConfig",
    "BasicAuth",
    "CheckedModelKit",
    "DagsterKitOpsTranslator",
    "DockerConfigAuth",
    "Finding",
    "KitOpsResource",
    "KitOpsResourceComponent",
    "KitOpsWorkspaceComponent",
    "MLflowModelsComponent",
    "MLflowResource",
    "MlflowModelKitComponent",
    "ModelKitCheck",
    "ModelKitComponent",
    "ModelKitContent",
    "ModelKitEvent",
    "ModelKitIOManager",
    "ModelKitMetadataSet",
    "ModelKitPromotionComponent",
    "ModelKitRegistryComponent",
    "ModelKitSignerResource",
    "ModelKitTranslatorData",
    "OtherRegistry",
    "PromoteConfig",
    "PromotionStage",
    "RecordedModelKit",
    "RollbackConfig",
    "TokenAuth",
    "TrustResource",
    "build_approval_job",
    "build_catalog_asset",
    "build_mlflow_model_sensor",
    "build_modelkit_asset_spec",
    "build_modelkit_checks",
    "build_modelkit_integrity_checks",
    "build_modelkit_lineage_sensor",
    "build_modelkit_policy_checks",
    "build_modelkit_provenance_checks",
    "build_modelkit_signature_checks",
    "build_modelkit_smoke_checks",
    "build_modelkit_tag_checks",
    "build_modelkit_tag_sensor",
    "build_observable_mlflow_models",
    "build_observable_modelkits",
    "build_promotion_assets",
    "build_promotion_job",
    "build_rollback_job",
    "integrity_check",
    "latest_metadata",
    "latest_modelkit",
    "load_modelkit_asset_specs",
    "mlflow_modelkit_asset",
    "modelkit_asset",
    "modelkit_assets",
    "modelkit_history",
    "modelkit_versions_partitions_def",
    "partition_tag",
    "policy_checks",
    "provenance_check",
    "require_modelkit",
    "signature_check",
    "tag_check",
    "take_mlflow_webhook",
    "validate_modelkits",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = public_names(
        __name__,
        {
            "AnonymousAuth": "resources",
            "ApprovalConfig": "promotion.jobs",
            "BasicAuth": "resources",
            "CheckedModelKit": "checks.asset_checks",
            "DagsterKitOpsTranslator": "assets.translator",
            "DockerConfigAuth": "resources",
            "Finding": "checks.asset_checks",
            "KitOpsResource": "resources",
            "MlflowModelKitComponent": "components.mlflow",
            "KitOpsWorkspaceComponent": "components.workspace",
            "KitOpsResourceComponent": "components.resource",
            "MLflowModelsComponent": "components.mlflow_models",
            "MLflowResource": "mlflow_resource",
            "ModelKitCheck": "checks.asset_checks",
            "ModelKitComponent": "components.modelkit",
            "ModelKitEvent": "assets.events",
            "ModelKitContent": "assets.content",
            "ModelKitIOManager": "io_manager",
            "ModelKitMetadataSet": "metadata",
            "ModelKitPromotionComponent": "components.promotion",
            "ModelKitRegistryComponent": "components.registry",
            "ModelKitSignerResource": "resources",
            "ModelKitTranslatorData": "assets.translator",
            "PromoteConfig": "promotion.jobs",
            "PromotionStage": "promotion.assets",
            "RecordedModelKit": "event_log",
            "RollbackConfig": "promotion.jobs",
            "OtherRegistry": "resources",
            "TokenAuth": "resources",
            "TrustResource": "resources",
            "build_approval_job": "promotion.jobs",
            "build_catalog_asset": "assets.site",
            "build_mlflow_model_sensor": "mlflow_models",
            "build_modelkit_asset_spec": "assets.translator",
            "build_modelkit_checks": "checks.asset_checks",
            "build_modelkit_integrity_checks": "checks.modelkit_checks",
            "build_modelkit_lineage_sensor": "openlineage",
            "build_modelkit_policy_checks": "checks.modelkit_checks",
            "build_modelkit_provenance_checks": "checks.modelkit_checks",
            "build_modelkit_signature_checks": "checks.modelkit_checks",
            "build_modelkit_smoke_checks": "checks.modelkit_checks",
            "build_modelkit_tag_checks": "checks.modelkit_checks",
            "build_modelkit_tag_sensor": "sensors",
            "build_observable_mlflow_models": "mlflow_models",
            "build_observable_modelkits": "assets.observation",
            "build_promotion_assets": "promotion.assets",
            "build_promotion_job": "promotion.jobs",
            "build_rollback_job": "promotion.jobs",
            "integrity_check": "checks.modelkit_checks",
            "latest_metadata": "event_log",
            "load_modelkit_asset_specs": "assets.catalog",
            "latest_modelkit": "event_log",
            "mlflow_modelkit_asset": "assets.modelkit",
            "modelkit_asset": "assets.modelkit",
            "modelkit_assets": "assets.modelkit",
            "modelkit_history": "event_log",
            "modelkit_versions_partitions_def": "assets.partitions",
            "partition_tag": "assets.partitions",
            "policy_checks": "checks.modelkit_checks",
            "provenance_check": "checks.modelkit_checks",
            "require_modelkit": "event_log",
            "signature_check": "checks.modelkit_checks",
            "tag_check": "checks.modelkit_checks",
            "take_mlflow_webhook": "mlflow_models",
            "validate_modelkits": "validation",
        },
    )
