"""A data scientist sets the alias ``champion`` in MLflow; what follows is a release, with a person's word in it.

The sensor starts one run for each move: ``wine_kit`` is that version as a signed ModelKit, whose content and signature
are checked. A person runs ``approve_release`` in the Launchpad, with a key of their own. ``wine_kit/released`` is the
same digest in the production repository; MLflow then shows where the ModelKit is and that it was released, and the
alias ``released`` follows.

These say where things are: ``MLFLOW_TRACKING_URI``, ``KITOPS_REGISTRY``, ``RELEASE_KEY`` (the private key) with
``RELEASE_KEY_PASSWORD``, and ``KITOPS_TRUST`` (the trust policy's file)::

    dagster dev -f examples/dagster/champion_to_production.py
"""

from pathlib import Path

import dagster as dg

from dagster_kitops import (
    KitOpsResource,
    MLflowResource,
    ModelKitSignerResource,
    PromotionStage,
    TrustResource,
    build_approval_job,
    build_mlflow_model_sensor,
    build_observable_mlflow_models,
    build_promotion_assets,
    integrity_check,
    mlflow_modelkit_asset,
    signature_check,
)

champion = build_observable_mlflow_models({"wine_champion": "wine@champion"})


@mlflow_modelkit_asset(
    repository="candidates/wine",
    deps=["wine_champion"],
    sign=True,
    checks=[integrity_check(), signature_check()],
    blocking=True,
)
def wine_kit(context: dg.AssetExecutionContext):
    """The version that the run is about; of a run that somebody starts by hand, the champion of now."""
    return context.run.tags.get("mlflow/model_uri", "models:/wine@champion")


released = PromotionStage(
    "released",
    destination="production/wine",
    policy_path=Path(__file__).with_name("release.yaml"),
    mlflow_alias=True,
)
stages = build_promotion_assets(source=wine_kit, stages=[released])
approve_release = build_approval_job(source="wine_kit", stages=[released], name="approve_release")
champion_moved = build_mlflow_model_sensor(
    name="champion_moved",
    models={"wine": "wine_champion"},
    matches="champion",
    target=[wine_kit],
    minimum_interval_seconds=10,
    default_status=dg.DefaultSensorStatus.RUNNING,
)

mlflow = MLflowResource(tracking_uri=dg.EnvVar("MLFLOW_TRACKING_URI"))
kitops = KitOpsResource(
    registry=dg.EnvVar("KITOPS_REGISTRY"),
    signer=ModelKitSignerResource(private_key_pem=dg.EnvVar("RELEASE_KEY"), password=dg.EnvVar("RELEASE_KEY_PASSWORD")),
    trust=TrustResource(policy_path=dg.EnvVar("KITOPS_TRUST")),
    mlflow=mlflow,
)
defs = dg.Definitions(
    assets=[champion, wine_kit, *stages],
    jobs=[approve_release],
    sensors=[champion_moved],
    resources={"kitops": kitops, "mlflow": mlflow},
)
