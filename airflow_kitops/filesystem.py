"""ModelKits as folders of ``ObjectStoragePath``: ``modelkit://kitops_default@ghcr.io/team/wine:v1/model/weights.bin``.

Airflow asks for ``schemes`` and ``get_fs`` by these names.  The first part with a tag or a digest ends the reference;
what follows is the path inside the ModelKit.  It can only be read.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from fsspec import AbstractFileSystem, register_implementation
from upath import UPath

from airflow_kitops._compat import AirflowFailException
from airflow_kitops._errors import airflow_errors
from airflow_kitops.configuration import scratch_dir
from airflow_kitops.hooks import KitOpsHook
from kitops_orchestration.disk.hidden_folder import scratch_folder
from kitops_orchestration.disk.inside import inside
from kitops_orchestration.mlflow_bridge.modelkit_uri import ModelKitUri

if TYPE_CHECKING:
    from kitops_orchestration.oci.reference import Reference

schemes = ["modelkit"]


def get_fs(conn_id: str | None, storage_options: Mapping[str, Any] | None = None) -> AbstractFileSystem:
    """Return the file system of a ``kitops`` connection; ``kitops_default`` where the path names none."""
    return ModelKitFileSystem(conn_id=conn_id or KitOpsHook.default_conn_name, **(storage_options or {}))


class ModelKitFileSystem(AbstractFileSystem):
    """The files of ModelKits, read-only.

    The first look into a ModelKit fetches it as a whole, with every digest verified, into the scratch folder of the
    worker (``[kitops] scratch_dir``), where it stays as long as this object.  With ``[kitops] require_signature`` only
    what is signed is looked into.  A task that wants all files is better off with ``@task.kit_unpack``.
    """

    protocol: ClassVar[str] = "modelkit"
    root_marker = ""
    cachable = False  # what was fetched goes with the object

    def __init__(self, conn_id: str = KitOpsHook.default_conn_name, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.conn_id = conn_id
        self._hook = KitOpsHook(conn_id)
        self._scratch: Path | None = None
        self._folders: dict[str, Path] = {}

    def ls(self, path: str, detail: bool = True, **kwargs: Any) -> list[Any]:
        """List a folder of a ModelKit, or a file."""
        where, prefix = self._find(path)
        children = sorted(where.iterdir()) if where.is_dir() else [where]
        names = [f"{prefix}/{child.name}" for child in children] if where.is_dir() else [prefix]
        found = [_about(name, child) for name, child in zip(names, children, strict=True)]
        return found if detail else names

    def info(self, path: str, **kwargs: Any) -> dict[str, Any]:
        """Return type and size of a file or folder."""
        where, name = self._find(path)
        return _about(name, where)

    def created(self, path: str) -> Any:
        """Refuse: files of a ModelKit have no times, which is what makes them the same everywhere."""
        raise NotImplementedError("files of a ModelKit have no times")

    modified = created

    def _open(self, path: str, mode: str = "rb", **kwargs: Any) -> Any:
        if mode != "rb":
            raise AirflowFailException(f"a ModelKit cannot be written to: {path}\npack a folder with KitPackOperator")
        where, _ = self._find(path)
        if where.is_dir():
            raise IsADirectoryError(path)
        return where.open("rb")

    def _find(self, path: str) -> tuple[Path, str]:
        """Return the local file of a path, and the path in the form of its answers."""
        name = self._strip_protocol(path)
        with airflow_errors(self.conn_id):
            uri = ModelKitUri.parse(f"modelkit://{name}")
            folder = self._folder(uri.reference)
        where = inside(folder, uri.path)
        if where is None or not where.exists():
            raise FileNotFoundError(path)
        return where, name

    def _folder(self, reference: Reference) -> Path:
        named = str(reference)
        if named not in self._folders:
            if self._scratch is None:
                with contextlib.ExitStack() as kept:
                    self._scratch = kept.enter_context(scratch_folder(scratch_dir(), "kitops-files")).path
                    weakref.finalize(self, kept.pop_all().close)
            where = self._hook.trusted(self._hook.client.resolve(reference))
            target = self._scratch / str(len(self._folders))
            self._hook.client.unpack(where, target)
            self._folders[named] = target
        return self._folders[named]


# An entry point names this class, but a path looks for one that is imported already, and warns where there is none.
register_implementation("modelkit", ModelKitFileSystem, clobber=True)


class ModelKitPath(UPath):
    """A path in a ModelKit, which needs nothing that other paths do not."""

    __slots__ = ()


def _about(name: str, where: Path) -> dict[str, Any]:
    if where.is_dir():
        return {"name": name, "size": 0, "type": "directory"}
    return {"name": name, "size": where.stat().st_size, "type": "file"}
