"""``modelkit://`` as the source of a dataset: data that came out of a ModelKit stays traceable to its digest."""

from __future__ import annotations

from typing import Any

from mlflow.data.dataset_source import DatasetSource  # noqa: TID253 - MLflow itself loads this module, as a plugin


class ModelKitDatasetSource(DatasetSource):  # type: ignore[misc] # MLflow is not followed by mypy
    """A dataset inside a ModelKit (entry point ``mlflow.dataset_source``).

    ``mlflow.data.from_pandas(frame, source="modelkit://registry/repository@sha256:…/datasets/train.csv")``
    """

    def __init__(self, uri: str) -> None:
        self.uri = uri

    @staticmethod
    def _get_source_type() -> str:
        return "modelkit"

    @staticmethod
    def _can_resolve(raw_source: Any) -> bool:
        if not isinstance(raw_source, str) or not raw_source.startswith("modelkit"):
            return False
        from kitops_orchestration.mlflow_bridge.modelkit_uri import SCHEMES

        return raw_source.startswith(SCHEMES)

    @classmethod
    def _resolve(cls, raw_source: Any) -> ModelKitDatasetSource:
        return cls(str(raw_source))

    def load(self, dst_path: str | None = None) -> str:
        """Unpack the ModelKit, verified, and return the local path of what the URI names."""
        from kitops_orchestration.mlflow_bridge.store.artifact_repository import ModelKitArtifactRepository

        return str(ModelKitArtifactRepository(self.uri).download_artifacts("", dst_path))

    def to_dict(self) -> dict[str, Any]:
        """Return the URI, and the digest where the URI has one."""
        digest = self.uri.rpartition("@")[2].split("/")[0] if "@sha" in self.uri else None
        return {"uri": self.uri, **({"digest": digest} if digest else {})}

    @classmethod
    def from_dict(cls, source_dict: dict[Any, Any]) -> ModelKitDatasetSource:
        """Return the source that :meth:`to_dict` described."""
        return cls(str(source_dict["uri"]))
