"""A ModelKit's files through Airflow's ObjectStoragePath."""

from __future__ import annotations

import gc
import json
import tomllib
from pathlib import Path

import pytest
from fsspec.registry import known_implementations
from upath.registry import register_implementation

from airflow_kitops import filesystem
from airflow_kitops.get_provider_info import get_provider_info
from kitops_orchestration.testing.registry import EmbeddedRegistry


@pytest.fixture
def root(context_dir: Path, monkeypatch: pytest.MonkeyPatch):
    """The path of a ModelKit in a registry that wants a password; the connection has it."""
    from airflow.sdk import ObjectStoragePath
    from airflow.sdk.io import fs, store

    # What an installation knows by its entry points is named here as there.
    named = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]["entry-points"]
    assert named["fsspec.specs"] == {"modelkit": "airflow_kitops.filesystem:ModelKitFileSystem"}
    assert named["universal_pathlib.implementations"] == {"modelkit": "airflow_kitops.filesystem:ModelKitPath"}
    assert "airflow_kitops.filesystem" in get_provider_info()["filesystems"]
    monkeypatch.setattr(fs, "_register_filesystems", lambda: {"modelkit": filesystem.get_fs})
    monkeypatch.setitem(known_implementations, "modelkit", {"class": "airflow_kitops.filesystem.ModelKitFileSystem"})
    register_implementation("modelkit", filesystem.ModelKitPath, clobber=True)
    with EmbeddedRegistry(auth="basic") as server:
        login = {"login": server.username, "password": server.password}
        connection = {"conn_type": "kitops", "host": server.host, **login}
        # Airflow keeps the file system of a connection for as long as the process lives: each test has its own.
        conn_id = f"theirs_{server.host.rpartition(':')[2]}"
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(connection))
        from airflow_kitops.hooks import KitOpsHook

        packed = KitOpsHook(conn_id).client.pack(context_dir, "team/iris:v1")
        yield ObjectStoragePath(f"modelkit://{conn_id}@{server.host}/team/iris:v1"), packed, server, conn_id
        store._STORE_CACHE.clear()
        gc.collect()


def test_files_are_listed_and_read(root) -> None:
    path, _packed, _server, _conn_id = root
    assert {child.name for child in path.iterdir()} == {"Kitfile", "data.csv", "model.bin"}
    assert (path / "model.bin").read_bytes() == b"weights" * 100
    assert (path / "model.bin").stat().st_size == 700
    assert (path / "model.bin").is_file()
    assert path.is_dir()
    assert not (path / "other.bin").exists()


def test_a_digest_names_the_same_files(root) -> None:
    from airflow.sdk import ObjectStoragePath

    _path, packed, server, conn_id = root
    pinned = ObjectStoragePath(f"modelkit://{conn_id}@{server.host}/team/iris@{packed.digest}/data.csv")
    assert pinned.read_text() == "a,b\n1,2\n"


def test_nothing_can_be_written(root) -> None:
    path, _packed, _server, _conn_id = root
    with pytest.raises(Exception, match="cannot be written to"):
        (path / "model.bin").write_bytes(b"other")
    assert (path / "model.bin").read_bytes() == b"weights" * 100


def test_what_is_fetched_is_gone_with_the_object(root, tmp_path, monkeypatch) -> None:
    _path, _packed, server, conn_id = root
    monkeypatch.setenv("AIRFLOW__KITOPS__SCRATCH_DIR", str(tmp_path))
    files = filesystem.get_fs(conn_id)
    name = f"{server.host}/team/iris:v1"
    assert sorted(files.ls(name, detail=False)) == [f"{name}/{part}" for part in ("Kitfile", "data.csv", "model.bin")]
    assert len(list(tmp_path.glob("*kitops-files*"))) == 1
    del files
    assert list(tmp_path.glob("*kitops-files*")) == []


def test_only_what_is_signed_is_looked_into_where_that_is_asked_for(root, monkeypatch) -> None:
    _path, _packed, server, conn_id = root
    monkeypatch.setenv("AIRFLOW__KITOPS__REQUIRE_SIGNATURE", "True")
    with pytest.raises(Exception, match=r"signature|key"):
        filesystem.get_fs(conn_id).ls(f"{server.host}/team/iris:v1")


def test_a_path_without_tag_or_digest_says_so(root) -> None:
    _path, _packed, server, conn_id = root
    with pytest.raises(Exception, match="neither tag nor digest"):
        filesystem.get_fs(conn_id).ls(f"{server.host}/team/iris/model.bin")


@pytest.mark.parametrize(
    "path", ["//etc/passwd", "/../../../../etc/passwd", "/%2fetc/passwd", "/%2e%2e/x", "/a%252f%252fb"]
)
def test_a_path_outside_of_the_modelkit_is_refused(root, path: str) -> None:
    _path, _packed, server, conn_id = root
    files = filesystem.get_fs(conn_id)
    for look in (files.info, files.ls, files.open):
        with pytest.raises(Exception, match="leaves its ModelKit"):
            look(f"{server.host}/team/iris:v1{path}")


def test_a_link_does_not_lead_out_of_what_was_fetched(root, tmp_path: Path) -> None:
    _path, _packed, server, conn_id = root
    (tmp_path / "secret.txt").write_text("local")
    files = filesystem.get_fs(conn_id)
    name = f"{server.host}/team/iris:v1"
    files.ls(name)
    [folder] = files._folders.values()
    (folder / "link").symlink_to(tmp_path)
    with pytest.raises(FileNotFoundError):
        files.open(f"{name}/link/secret.txt")
