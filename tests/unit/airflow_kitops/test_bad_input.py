"""Wrong input, as an Airflow user meets it: one error that says what, where and what to do; nothing half-written."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

from airflow_kitops.advice import airflow_words
from airflow_kitops.hooks import KitOpsHook
from airflow_kitops.operators import KitPackAndPushOperator, KitPackOperator, KitUnpackOperator
from kitops_orchestration.errors import KitOpsError, RegistryError
from kitops_orchestration.oci.resolve import tags_if_there
from kitops_orchestration.testing.registry import EmbeddedRegistry


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setenv("AIRFLOW__KITOPS__SCRATCH_DIR", str(folder))
    return folder


def connect(monkeypatch: pytest.MonkeyPatch, host: str, **fields: Any) -> None:
    connection = {"conn_type": "kitops", "host": host, "extra": {"retries": 0}, **fields}
    monkeypatch.setenv("AIRFLOW_CONN_KITOPS_DEFAULT", json.dumps(connection))


def failed(call: Callable[[], Any], kind: type[Exception] = AirflowFailException) -> str:
    """Return what the one error says went wrong; its last line says what to do."""
    with pytest.raises(AirflowException) as raised:
        call()
    assert type(raised.value) is kind
    error = raised.value.__cause__
    assert isinstance(error, KitOpsError)
    assert error.advice, f"no word about what to do: {error}"
    named = "with connection 'kitops_default'\n" if isinstance(error, RegistryError) else ""
    assert str(raised.value) == f"{error}\n{named}{airflow_words(error.advice)}"
    return str(error)


def pack(context_dir: Path | str, push_to: str = "team/tiny:v1", **options: Any) -> Callable[[], Any]:
    operator = KitPackOperator(task_id="pack", context_dir=str(context_dir), push_to=push_to, **options)
    return lambda: operator.execute({})


def nothing_is_left(registry: str, scratch: Path) -> bool:
    root = Path(registry.removeprefix("file://"))
    files = [path for path in root.rglob("*") if path.is_file()] if root.exists() else []
    return not files and not list(scratch.iterdir())


def test_an_unknown_key_in_the_kitfile(context_dir: Path, registry: str, scratch: Path) -> None:
    kitfile = context_dir / "Kitfile"
    kitfile.write_text(kitfile.read_text().replace("package:", "packgae:"))
    assert "Kitfile:2: packgae: unknown key" in failed(pack(context_dir))
    assert nothing_is_left(registry, scratch)


@pytest.mark.parametrize("content", [b"manifestVersion: [", b"\xff\xfe\x00", b""])
def test_a_kitfile_that_is_none(context_dir: Path, registry: str, scratch: Path, content: bytes) -> None:
    (context_dir / "Kitfile").write_bytes(content)
    assert str(context_dir / "Kitfile") in failed(pack(context_dir))
    assert nothing_is_left(registry, scratch)


def test_a_path_that_leaves_the_context(context_dir: Path, registry: str, scratch: Path) -> None:
    kitfile = context_dir / "Kitfile"
    kitfile.write_text(kitfile.read_text().replace("model.bin", "../secret"))
    (context_dir.parent / "secret").write_text("x")
    assert "../secret" in failed(pack(context_dir))
    assert nothing_is_left(registry, scratch)


def test_a_missing_file(context_dir: Path, registry: str, scratch: Path) -> None:
    (context_dir / "model.bin").unlink()
    assert "'model.bin' does not exist" in failed(pack(context_dir))
    assert nothing_is_left(registry, scratch)


def test_a_folder_that_is_not_there(tmp_path: Path, registry: str, scratch: Path) -> None:
    assert "nowhere" in failed(pack(tmp_path / "nowhere"))
    assert nothing_is_left(registry, scratch)


@pytest.mark.parametrize("operator", [KitPackOperator, KitPackAndPushOperator])
@pytest.mark.parametrize("push_to", ["team/tiny", "Team/TINY:v1", "team/tiny:no tag", "", "https://reg.example/a:v1"])
def test_a_reference_that_is_none(
    context_dir: Path, registry: str, scratch: Path, operator: type[KitPackOperator], push_to: str
) -> None:
    told = failed(lambda: operator(task_id="p", context_dir=str(context_dir), push_to=push_to).execute({}))
    assert push_to in told
    assert nothing_is_left(registry, scratch)


def test_a_reference_without_a_tag_to_unpack(tmp_path: Path, registry: str) -> None:
    operator = KitUnpackOperator(task_id="unpack", reference="team/tiny", target_dir=str(tmp_path / "there"))
    assert "team/tiny" in failed(lambda: operator.execute({}))
    assert not (tmp_path / "there").exists()


def test_a_registry_that_is_down_is_worth_a_retry(context_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{free.getsockname()[1]}"
    connect(monkeypatch, host)
    assert f"{host}: connection refused" in failed(pack(context_dir), AirflowException)


def test_wrong_credentials(context_dir: Path, monkeypatch: pytest.MonkeyPatch, caplog) -> None:
    with EmbeddedRegistry(auth="basic", username="ada", password="right") as server:
        connect(monkeypatch, server.host, login="ada", password="hunter2-wrong")
        told = failed(pack(context_dir))
        assert server.host in told
        assert not any(request.status == 201 for request in server.requests)
    assert "hunter2" not in told + caplog.text


@pytest.mark.parametrize("place", ["file:///proc/models", "file:///dev/null"])
def test_a_folder_that_may_not_be_written(context_dir: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    connect(monkeypatch, place)
    assert place.removeprefix("file://") in failed(pack(context_dir))


def test_a_disk_that_is_full_while_packing(context_dir: Path, registry: str, scratch: Path, on_a_full_disk) -> None:
    (context_dir / "model.bin").write_bytes(os.urandom(300 * 1024))
    told = on_a_full_disk(100 * 1024, lambda: failed(pack(context_dir)))
    assert "File too large" in told
    assert registry.removeprefix("file://") in told
    assert tags_if_there(KitOpsHook().client.repository("team/tiny")) == []
    leftovers = Path(registry.removeprefix("file://")).rglob("*")
    assert max((path.stat().st_size for path in leftovers if path.is_file()), default=0) < 100 * 1024
    assert pack(context_dir)()["layerCount"] == 2


def test_a_disk_that_is_full_while_unpacking(context_dir: Path, registry: str, tmp_path: Path, on_a_full_disk) -> None:
    (context_dir / "model.bin").write_bytes(os.urandom(300 * 1024))
    packed = pack(context_dir)()
    operator = KitUnpackOperator(task_id="unpack", reference=packed, target_dir=str(tmp_path / "there"))
    told = on_a_full_disk(100 * 1024, lambda: failed(lambda: operator.execute({})))
    assert "File too large" in told
    assert not list((tmp_path / "there").rglob("*.bin"))
    assert operator.execute({})["files"] >= 2
