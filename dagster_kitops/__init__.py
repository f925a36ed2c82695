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
    from dagster_kitops.asset_checks import build_modelkit_integrity_checks as build_modelkit_integrity_checks
    from dagster_kitops.asset_checks import build_modelkit_provenance_checks as build_modelkit_provenance_checks
    from dagster_kitops.assets import mlflow_modelkit_asset as mlflow_modelkit_asset
    from dagster_kitops.assets import modelkit_asset as modelkit_asset
    from dagster_kitops.content import ModelKitContent as ModelKitContent
    from dagster_kitops.event_log import RecordedModelKit as RecordedModelKit
    from dagster_kitops.metadata import ModelKitMetadataSet as ModelKitMetadataSet
    from dagster_kitops.promotion import PromotionStage as PromotionStage
    from dagster_kitops.promotion import build_promotion_assets as build_promotion_assets
    from dagster_kitops.resources import AnonymousAuth as AnonymousAuth
    from dagster_kitops.resources import BasicAuth as BasicAuth
    from dagster_kitops.resources import DockerConfigAuth as DockerConfigAuth
    from dagster_kitops.resources import KitOpsResource as KitOpsResource
    from dagster_kitops.resources import TokenAuth as TokenAuth

_HOMES = {
    "AnonymousAuth": "resources",
    "BasicAuth": "resources",
    "DockerConfigAuth": "resources",
    "KitOpsResource": "resources",
    "ModelKitContent": "content",
    "ModelKitMetadataSet": "metadata",
    "PromotionStage": "promotion",
    "RecordedModelKit": "event_log",
    "TokenAuth": "resources",
    "build_modelkit_integrity_checks": "asset_checks",
    "build_modelkit_provenance_checks": "asset_checks",
    "build_promotion_assets": "promotion",
    "mlflow_modelkit_asset": "assets",
    "modelkit_asset": "assets",
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
