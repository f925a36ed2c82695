"""Every example runs, in one process; and every operator is in one of them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from airflow_kitops import operators
from airflow_kitops.hooks import KitOpsHook
from kitops_orchestration.client import KitClient
from kitops_orchestration.lineage.statements import DeploymentTarget
from kitops_orchestration.signing.keys import generate_key_pair
from kitops_orchestration.testing.builders import make_context_dir, push_random_modelkit

EXAMPLES = Path(__file__).resolve().parents[3] / "examples" / "airflow"


@pytest.fixture
def registry(shared: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A folder registry as everybody's registry, and a key that may do everything."""
    pair = generate_key_pair("geheim-1234")
    (shared / "airflow.pub").write_text(pair.public_key.pem)
    (shared / "trust.yaml").write_text(
        "version: 1\n"
        "identities:\n"
        "  - id: airflow\n"
        "    roles: [builder, evaluator, releaser, deployer, approver, risk]\n"
        "    keys: [{publicKey: airflow.pub}]\n"
    )
    extra = {
        "signing_private_key": pair.private_pem.decode(),
        "signing_private_key_password": "geheim-1234",
        "trust_policy": str(shared / "trust.yaml"),
    }
    folder = os.environ["KITOPS_EXAMPLE_REGISTRY"]
    connection = {"conn_type": "kitops", "host": folder, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_KITOPS_DEFAULT", json.dumps(connection))
    return folder


@pytest.fixture
def run(example, a_machine_per_task):
    """Run an example to its end; each task is on a machine of its own."""

    def run(name: str, *, state: str = "success", **conf: object):
        finished = getattr(example(name), name).test(run_conf=conf or None)
        assert str(finished.state) == state
        return finished

    return run


def test_train_publish_and_watch(run, registry: str, returned) -> None:
    published = run("train_and_publish")
    assert returned(published, "inspect")["name"] == "wine"
    client = KitClient(registry)
    good = returned(published, "push")["digest"]
    client.tag("wine:v1.0.0", "production")
    watched = run("watch_production")
    assert returned(watched, "smoke_test") == pytest.approx(12.9)
    assert returned(watched, "passed")["is_signed"]
    assert returned(run("per_version"), "mirror")["digest"] == good
    assert returned(run("nightly_audit"), "report") == "2 tags are signed"


def test_a_failed_smoke_test_brings_the_one_before_back(run, registry: str, tmp_path: Path, returned) -> None:
    client = KitClient(registry)
    for version, threshold in (("v1", 12.9), ("v2", 99)):
        folder = tmp_path / version
        folder.mkdir()
        (folder / "model.json").write_text(json.dumps({"threshold": threshold}))
        (folder / "Kitfile").write_text("manifestVersion: 1.0.0\nmodel: {path: model.json}\n")
        client.pack(folder, f"wine:{version}")
        KitOpsHook().promote(f"wine:{version}", stage="production")
    KitOpsHook().sign("wine:v2")
    before = client.resolve("wine:v1").digest
    watched = run("watch_production", state="failed")  # the stage is well again, and the run stays red
    assert returned(watched, "rollback")["digest"] == before
    assert client.resolve("wine:production").digest == before


def test_an_audit_is_red_when_a_tag_has_no_signature(run, registry: str, tmp_path: Path) -> None:
    KitClient(registry).pack(make_context_dir(tmp_path / "context"), "wine:v1")
    run("nightly_audit", state="failed")


def test_old_experiments_go_and_what_is_deployed_stays(run, registry: str, returned) -> None:
    client = KitClient(registry)
    for number in range(12):
        moment = f"2026-01-{number + 1:02}T00:00:00Z"
        repository = client.repository("wine")
        push_random_modelkit(
            repository,
            tag=f"experiment-{number}",
            seed=number,
            annotations={"org.opencontainers.image.created": moment},
        )
    client.record_deployment("wine:experiment-0", "production", DeploymentTarget("vm", "scoring-1"))
    (said,) = returned(run("nightly_retention"), "retain")
    assert (said["removed_count"], said["kept_count"], said["dry_run"]) == (1, 11, True)
    assert "experiment-1" in client.tags("wine")
    (done,) = returned(run("nightly_retention", dry_run=False), "retain")
    assert (done["removed"], done["dry_run"]) == (said["removed"], False)
    assert "experiment-1" not in client.tags("wine")
    assert "experiment-0" in client.tags("wine")


def test_many_models_are_published_by_one_mapped_task(run, registry: str) -> None:
    run("publish_many", countries=["de", "fr"])
    assert KitClient(registry).tags("countries") == ["de", "fr", "published"]


def test_decorated_functions_write_and_read_a_modelkit(run, registry: str, returned) -> None:
    assert returned(run("taskflow"), "read") == "hello"


def test_a_folder_on_a_shared_disk_is_packed_and_unpacked(run, registry: str, tmp_path: Path, returned) -> None:
    context_dir = make_context_dir(tmp_path / "context")
    finished = run("pack_from_disk", context_dir=str(context_dir), target_dir=str(tmp_path / "serving"))
    packed, published = returned(finished, "pack"), returned(finished, "publish")
    assert packed["digest"] == published["digest"]
    assert published["is_signed"]
    assert (tmp_path / "serving" / "model.bin").read_bytes() == (context_dir / "model.bin").read_bytes()
    assert not (tmp_path / "serving" / "data").exists()


def test_a_signed_modelkit_is_registered_in_mlflow(run, registry: str, tmp_path: Path, returned) -> None:
    KitClient(registry).pack(make_context_dir(tmp_path / "context"), "team/iris:staging")
    KitOpsHook().sign("team/iris:staging")
    registered = returned(run("register_in_mlflow"), "register")
    assert registered["model_uri"] == "models:/iris/1"


def test_every_operator_is_in_an_example() -> None:
    text = "".join(path.read_text() for path in EXAMPLES.glob("*.py"))
    assert [name for name in operators.__all__ if f"{name}(" not in text and f"{name}.partial" not in text] == []
