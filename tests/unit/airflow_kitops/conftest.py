"""Airflow for unit tests: no database, no server; its home is the one of ``tests/conftest.py``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from kitops_orchestration.signing.keys import KeyPair, generate_key_pair


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A folder registry that the default connection names."""
    folder = f"file://{tmp_path}/registry"
    monkeypatch.setenv("AIRFLOW_CONN_KITOPS_DEFAULT", json.dumps({"conn_type": "kitops", "host": folder}))
    return folder


@pytest.fixture
def context_dir(tmp_path: Path) -> Path:
    """A folder with a Kitfile, a model and a dataset."""
    folder = tmp_path / "context"
    folder.mkdir()
    (folder / "model.bin").write_bytes(b"weights" * 100)
    (folder / "data.csv").write_text("a,b\n1,2\n")
    (folder / "Kitfile").write_text(
        "manifestVersion: 1.0.0\n"
        "package:\n  name: iris\n"
        "model:\n  name: iris\n  path: model.bin\n"
        "datasets:\n  - name: training\n    path: data.csv\n"
    )
    return folder


@pytest.fixture
def put_tag(registry: str) -> Callable[[str, str], str]:
    """Point a tag of ``team/iris`` at new content; returns its digest."""
    from kitops_orchestration.oci.layout import LayoutRepository
    from kitops_orchestration.oci.manifest import Index
    from kitops_orchestration.oci.reference import Reference

    repository = LayoutRepository(Reference.parse(f"{registry}/team/iris"))

    def put(tag: str, content: str) -> str:
        return repository.push_manifest(Index.build([], annotations={"content": content}), tag=tag).digest

    return put


@pytest.fixture
def put_modelkit(registry: str) -> Callable[..., str]:
    """Push something shaped like a ModelKit to a repository of the folder registry; returns its pinned reference."""
    from kitops_orchestration.client import KitClient
    from kitops_orchestration.testing.builders import push_random_modelkit

    client = KitClient(registry)

    def put(reference: str, *, seed: int = 0) -> str:
        where = client.reference(reference)
        push_random_modelkit(client.repository(where), tag=where.tag, seed=seed)
        return str(client.resolve(where))

    return put


@pytest.fixture(scope="session")
def key_pair() -> KeyPair:
    """Encrypted as PKCS#8: cosign's own form costs 0.2 s each time it is read, and tests/unit/.../signing reads it."""
    return generate_key_pair("geheim-1234", key_format="pkcs8")


@pytest.fixture
def signing_connection(registry: str, tmp_path: Path, key_pair: KeyPair, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the default connection a key, and a trust policy in which the key's owner may release and approve."""
    (tmp_path / "airflow.pub").write_text(key_pair.public_key.pem)
    (tmp_path / "trust.yaml").write_text(
        "version: 1\n"
        "identities:\n"
        "  - id: airflow\n"
        "    roles: [builder, evaluator, releaser, deployer, approver, risk]\n"
        "    keys: [{publicKey: airflow.pub}]\n"
    )
    extra = {
        "signing_private_key": key_pair.private_pem.decode(),
        "signing_private_key_password": "geheim-1234",
        "trust_policy": str(tmp_path / "trust.yaml"),
    }
    connection = {"conn_type": "kitops", "host": registry, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_KITOPS_DEFAULT", json.dumps(connection))
    return tmp_path
