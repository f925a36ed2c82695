"""ModelKits and MLflow's registered models as Airflow assets::

    @dag(schedule=[modelkit_asset("registry.example/team/iris:production", watch="production")])
    @dag(schedule=[mlflow_model_asset("iris", on="alias", matches="champion")])

A ModelKit's asset is ``oci://registry/repository``, one per repository or channel.
"""

from airflow_kitops.assets.mlflow_model import mlflow_model_asset, model_versions_from
from airflow_kitops.assets.modelkit import (
    convert_asset_to_openlineage,
    create_asset,
    modelkit_asset,
    modelkits_from,
    sanitize_uri,
)

__all__ = [
    "convert_asset_to_openlineage",
    "create_asset",
    "mlflow_model_asset",
    "model_versions_from",
    "modelkit_asset",
    "modelkits_from",
    "sanitize_uri",
]
