"""What MLflow finds through entry points: ``modelkit://`` as an artifact store and as a dataset source, and run tags.

MLflow loads this module at every ``import mlflow``.  It must therefore cost nothing: what needs more than the
settings is behind a function.  The dataset source is :mod:`kitops_orchestration.mlflow_bridge.store.dataset_source`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from kitops_orchestration import settings

if TYPE_CHECKING:
    from kitops_orchestration.mlflow_bridge.store.artifact_repository import ModelKitArtifactRepository

INPUT_REFERENCE_TAG = "kitops.input.ref"
INPUT_DIGEST_TAG = "kitops.input.digest"


def artifact_repository(
    artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None
) -> ModelKitArtifactRepository:
    """Return the artifact repository of a ``modelkit://`` URI (entry point ``mlflow.artifact_repository``)."""
    from kitops_orchestration.mlflow_bridge.store.artifact_repository import ModelKitArtifactRepository

    return ModelKitArtifactRepository(artifact_uri, tracking_uri, registry_uri)


class ModelKitRunContext:
    """Tags runs with the ModelKit they started from (entry point ``mlflow.run_context_provider``).

    Our operators set ``KITOPS_MODELKIT_REF`` and ``KITOPS_MODELKIT_DIGEST`` after unpacking; the lineage of a
    fine-tuned model then knows its base model without anybody having to write it down.
    """

    def in_context(self) -> bool:
        """Tell whether there is something to tag."""
        return any(settings.input_modelkit())

    def tags(self) -> Mapping[str, str]:
        """Return the tags."""
        reference, digest = settings.input_modelkit()
        pairs = {INPUT_REFERENCE_TAG: reference, INPUT_DIGEST_TAG: digest}
        return {key: value for key, value in pairs.items() if value}
