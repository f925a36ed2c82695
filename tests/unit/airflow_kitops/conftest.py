"""Airflow for unit tests: a home of its own, no database, no server. It must be set before Airflow is imported."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="airflow-home-"))
os.environ.setdefault("AIRFLOW__CORE__LOAD_EXAMPLES", "False")
os.environ.setdefault("AIRFLOW__OPENLINEAGE__DISABLED", "True")


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


@pytest.fixture
def signing_connection(registry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the default connection a key, and a trust policy in which the key's owner may release and approve."""
    from kitops_orchestration.signing.keys import generate_key_pair

    pair = generate_key_pair("geheim-1234")
    (tmp_path / "airflow.pub").write_text(pair.public_key.pem)
    (tmp_path / "trust.yaml").write_text(
        "version: 1\n"
        "identities:\n"
        "  - id: airflow\n"
        "    roles: [builder, evaluator, releaser, deployer, approver, risk]\n"
        "    keys: [{publicKey: airflow.pub}]\n"
    )
    extra = {
        "signing_private_key": pair.private_pem.decode(),
        "signing_private_key_password": "geheim-1234",
        "trust_policy": str(tmp_path / "trust.yaml"),
    }
    connection = {"conn_type": "kitops", "host": registry, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_KITOPS_DEFAULT", json.dumps(connection))
    return tmp_path
