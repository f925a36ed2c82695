"""``modelkit://`` as an MLflow artifact store: load and register models straight from a registry, verified."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NoReturn

from mlflow.entities import FileInfo  # noqa: TID253 - MLflow itself loads this module, through its plugin
from mlflow.store.artifact.artifact_repo import ArtifactRepository  # noqa: TID253 - as above

from kitops_orchestration.errors import KitOpsError
from kitops_orchestration.mlflow_bridge.modelkit_uri import ModelKitUri
from kitops_orchestration.mlflow_bridge.store.checkout import (
    MODEL_FILTERS,
    model_root,
    outermost_models,
    private_view,
    unpacked,
)
from kitops_orchestration.mlflow_bridge.store.listing import list_files
from kitops_orchestration.mlflow_bridge.store.registry_policy import open_for_mlflow, trust_of_mlflow, verify_trusted
from kitops_orchestration.modelkit.inspect import inspect

if TYPE_CHECKING:
    from kitops_orchestration.oci.descriptor import Digest
    from kitops_orchestration.oci.repository import Repository

_MODEL_KINDS = frozenset({"model", "modelpart", "code"})
_FILTER_TYPES = {"modelpart": "model", "dataset": "datasets", "prompt": "prompts", "mcpb": "mcpservers"}


class ModelKitArtifactRepository(ArtifactRepository):  # type: ignore[misc] # MLflow is not followed by mypy
    """Reads a ModelKit; writing raises, because a ModelKit is what its digest says.

    MLflow cuts a URI at its last slash, so this object may be made of ``modelkit://host/team`` and asked for
    ``iris:v1``: the pieces are joined first and taken apart by the rules of :class:`ModelKitUri`.
    """

    def __init__(self, artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None) -> None:
        super().__init__(artifact_uri, tracking_uri)  # MLflow 3.4's own takes no third argument
        self.registry_uri = registry_uri

    def list_artifacts(self, path: str | None = None) -> list[FileInfo]:
        """Return the files directly below ``path``, without fetching any of them where the layers allow it."""
        uri, repository, digest = self._open(path or "")
        try:
            files = list_files(repository, digest, kinds=_MODEL_KINDS)
            if files is None:
                return _infos(path, _sizes(_place(repository, digest, uri.path)))
            found = _below(files, uri.path)
            # What is not in the model's layers is looked for in the others.
            return _infos(path, _sizes(_place(repository, digest, uri.path)) if found is None else found)
        except KitOpsError as error:
            raise _as_mlflow(error) from error

    def download_artifacts(self, artifact_path: str | None, dst_path: str | None = None) -> str:
        """Return a writable local copy of the model, or of one path in it, verified against digest and policy."""
        place = self._locate(artifact_path or "")
        return str(private_view(place, Path(dst_path) if dst_path else None))

    def _download_file(self, remote_file_path: str, local_path: str) -> None:
        place = self._locate(remote_file_path)
        shutil.copyfile(place, local_path)

    def log_artifact(self, local_file: str, artifact_path: str | None = None) -> NoReturn:
        """Raise: a ModelKit never changes."""
        raise self._refusal(f"write {local_file} to {artifact_path or 'its root'}")

    def log_artifacts(self, local_dir: str, artifact_path: str | None = None) -> NoReturn:
        """Raise: a ModelKit never changes."""
        raise self._refusal(f"write {local_dir} to {artifact_path or 'its root'}")

    def delete_artifacts(self, artifact_path: str | None = None) -> NoReturn:
        """Raise: a ModelKit never changes."""
        raise self._refusal(f"delete {artifact_path or 'all'}")

    def _refusal(self, action: str) -> Exception:
        return _as_mlflow(
            KitOpsError(
                f"cannot {action}: {self.artifact_uri} is a ModelKit, which never changes", advice="pack another"
            )
        )

    def _locate(self, path: str) -> Path:
        """Return the file or directory in the cache that this URI and ``path`` mean."""
        uri, repository, digest = self._open(path)
        try:
            return _place(repository, digest, uri.path)
        except KitOpsError as error:
            raise _as_mlflow(error) from error

    def _open(self, path: str) -> tuple[ModelKitUri, Repository, Digest]:
        """Resolve this URI and ``path``, within what the registry list and the trust policy allow."""
        try:
            uri = ModelKitUri.parse("/".join(filter(None, (self.artifact_uri.rstrip("/"), path.strip("/")))))
            repository = open_for_mlflow(uri)
            digest = repository.resolve(uri.reference.target).digest
            verify_trusted(repository, digest, trust_of_mlflow())
        except KitOpsError as error:
            raise _as_mlflow(error) from error
        return uri, repository, digest


def _below(files: Mapping[str, int], path: str) -> dict[str, int] | None:
    """Return ``{path below: size}`` of the model's directory, or of ``path`` in it; ``None`` when it is not there."""
    roots = outermost_models(files)
    if not path and len(roots) != 1:
        return None
    bases = [*roots, ""] if path else roots
    for base in bases:
        start = "/".join(filter(None, (base, path)))
        if start in files:
            return {}  # a file has nothing below it
        found = {name[len(start) :].lstrip("/"): size for name, size in files.items() if _is_below(name, start)}
        if found:
            return found
    return None


def _is_below(name: str, folder: str) -> bool:
    return not folder or name.startswith(folder + "/")


def _sizes(place: Path) -> dict[str, int]:
    if place.is_file():
        return {}
    return {item.relative_to(place).as_posix(): item.stat().st_size for item in place.rglob("*") if item.is_file()}


def _infos(path: str | None, files: Mapping[str, int]) -> list[FileInfo]:
    """Return what is directly in a folder, as MLflow lists it: names below the repository's root."""
    prefix = f"{path.strip('/')}/" if path and path.strip("/") else ""
    entries: dict[str, int | None] = {}
    for name, size in files.items():
        head, slash, _ = name.partition("/")
        entries[head] = None if slash else size
    return [FileInfo(prefix + name, size is None, size) for name, size in sorted(entries.items())]


def _place(repository: Repository, digest: Digest, path: str) -> Path:
    """Unpack no more than the layers that ``path`` needs: the model's, else the one that the path lies in."""
    content = unpacked(repository, digest, filters=MODEL_FILTERS)
    try:
        return model_root(content, path)
    except KitOpsError:
        if not path:
            raise
    return model_root(unpacked(repository, digest, filters=_filters_for(repository, digest, path)), path)


def _filters_for(repository: Repository, digest: Digest, path: str) -> tuple[str, ...]:
    """Return the filter of the one layer that holds ``path``; none, which is everything, where none says so."""
    for layer in inspect(repository, digest).layers:
        holder = layer.path.removeprefix("./").strip("/")
        if PurePosixPath(path).is_relative_to(holder) and not set(holder) & set(":,*?["):
            return (f"{_FILTER_TYPES.get(layer.kind, layer.kind)}:{layer.path}",)
    return ()


def _as_mlflow(error: KitOpsError) -> Exception:
    """Return the error as MLflow's callers catch it; the text carries the advice."""
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, TEMPORARILY_UNAVAILABLE

    code = TEMPORARILY_UNAVAILABLE if error.transient else INVALID_PARAMETER_VALUE
    text = f"{error} ({error.advice})" if error.advice else str(error)
    result: Exception = MlflowException(text, error_code=code)
    return result
