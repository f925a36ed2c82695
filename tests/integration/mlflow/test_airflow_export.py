"""Airflow's export of a run: signed with the key of the connection."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="airflow-home-"))

from airflow_kitops.hooks import KitOpsHook
from airflow_kitops.operators import KitExportRunOperator
from kitops_orchestration.oci.reference import folder_registry
from kitops_orchestration.signing.keys import generate_key_pair

TRUST = """\
version: 1
identities:
  - id: airflow
    roles: [builder, releaser]
    keys: [{publicKey: airflow.pub}]
"""


@pytest.fixture
def connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder registry, a key, and a trust policy in which its owner may build and release."""
    pair = generate_key_pair("geheim-1234")
    (tmp_path / "airflow.pub").write_text(pair.public_key.pem)
    (tmp_path / "trust.yaml").write_text(TRUST)
    extra = {
        "signing_private_key": pair.private_pem.decode(),
        "signing_private_key_password": "geheim-1234",
        "trust_policy": str(tmp_path / "trust.yaml"),
    }
    stored = {"conn_type": "kitops", "host": folder_registry(tmp_path / "registry"), "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_KITOPS_DEFAULT", json.dumps(stored))


def test_the_provenance_of_an_exported_run_is_signed_with_the_connections_key(
    connection: None, tracking: Any, log_classifier: Any
) -> None:
    log_classifier(registered_model_name="Clf")
    facts = KitExportRunOperator(
        task_id="export",
        source="models:/Clf/1",
        push_to="team/clf:v1",
        tracking_uri=tracking.uri,
        export_options={"sign": True},
    ).execute({})

    hook = KitOpsHook()
    lineage = hook.lineage(facts)
    assert [item.evidence.is_verified for item in lineage.builds] == [True]
    assert hook.verify(facts).signers == ("airflow",)
