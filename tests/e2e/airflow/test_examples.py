"""Every example runs, in one process; and every operator is in one of them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from airflow_kitops import operators, sensors
from airflow_kitops._compat import EVENTS_HAVE_PARTITIONS
from airflow_kitops.hooks import KitOpsHook
from kitops_orchestration.client import KitClient
from kitops_orchestration.lineage.statements import DeploymentTarget
from kitops_orchestration.oci.layout import LayoutRepository
from kitops_orchestration.oci.referrers import fallback_tag
from kitops_orchestration.oci.schemes import open_repository
from kitops_orchestration.testing.builders import make_context_dir, push_random_modelkit
from tests.e2e.secrets_hunt import Hunt

EXAMPLES = Path(__file__).resolve().parents[3] / "examples" / "airflow"


@pytest.fixture
def registry(shared: Path, monkeypatch: pytest.MonkeyPatch, secrets_hunt: Hunt) -> str:
    """A folder registry as everybody's registry, and a key that may do everything."""
    pair, password = secrets_hunt.key_pair("Airflow's examples: signing key")
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
        "signing_private_key_password": password,
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


@pytest.mark.skipif(
    not EVENTS_HAVE_PARTITIONS, reason="train_and_publish and per_version need Airflow 3.3: events with a partition key"
)
def test_train_publish_and_watch(run, registry: str, returned) -> None:
    published = run("train_and_publish")
    assert returned(published, "inspect")["name"] == "wine"
    client = KitClient(registry)
    good = returned(published, "push")["digest"]
    client.tag("wine:v1.0.0", "production")
    watched = run("watch_production")
    assert returned(watched, "smoke_test") == pytest.approx(12.9)
    assert returned(watched, "passed")["statement"]["isSigned"]
    assert returned(run("per_version"), "mirror")["digest"] == good
    audited = run("nightly_audit")
    assert returned(audited, "report") == "2 tags are signed"
    assert (Path(returned(audited, "catalog")["site"]) / "m" / "wine" / "index.html").is_file()


def test_a_failed_smoke_test_brings_the_one_before_back(run, registry: str, tmp_path: Path, returned) -> None:
    client = KitClient(registry)
    for version, threshold in (("v1", 12.9), ("v2", 99)):
        folder = tmp_path / version
        folder.mkdir()
        (folder / "model.json").write_text(json.dumps({"threshold": threshold}))
        (folder / "Kitfile").write_text("manifestVersion: 1.0.0\nmodel: {path: model.json}\n")
        client.pack(folder, f"wine:{version}")
        KitOpsHook().client.promote(f"wine:{version}", stage="production")
    KitOpsHook().client.sign("wine:v2")
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
    assert (said["removedCount"], said["keptCount"], said["isDryRun"]) == (1, 11, True)
    assert "experiment-1" in client.tags("wine")
    (done,) = returned(run("nightly_retention", dry_run=False), "retain")
    assert (done["removed"], done["isDryRun"]) == (said["removed"], False)
    assert "experiment-1" not in client.tags("wine")
    assert "experiment-0" in client.tags("wine")


@pytest.fixture
def witnessed(registry: str, shared: Path, monkeypatch: pytest.MonkeyPatch, secrets_hunt: Hunt) -> KitClient:
    """A signed version, and the first checkpoint of its repository by a witness, made by hand."""
    pair, password = secrets_hunt.key_pair("Airflow's examples: signing key of the witness")
    (shared / "witness.pub").write_text(pair.public_key.pem)
    with (shared / "trust.yaml").open("a") as file:
        file.write("  - {id: wes, roles: [witness], keys: [{publicKey: witness.pub}]}\n")
    extra = {
        "signing_private_key": pair.private_pem.decode(),
        "signing_private_key_password": password,
        "trust_policy": str(shared / "trust.yaml"),
    }
    connection = {"conn_type": "kitops", "host": registry, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_KITOPS_WITNESS", json.dumps(connection))
    KitClient(registry).pack(make_context_dir(shared / "context"), "wine:v1")
    KitOpsHook().client.sign("wine:v1", formats=("bundle",))
    hook = KitOpsHook("kitops_witness")
    first = KitClient(registry, signer=hook.signer, trust=hook.trust).checkpoint("wine")
    assert first.version == 1
    return KitClient(registry)


def test_a_witness_signs_every_hour_and_all_of_airflow_remembers(run, witnessed: KitClient, returned) -> None:
    (same,) = returned(run("hourly_checkpoint"), "checkpoint")
    assert (same["version"], same["isNew"], same["evidence"]) == (1, False, 1)
    witnessed.tag("wine:v1", "again")
    KitOpsHook().client.attest("wine:v1", "https://a.example/report/v1", {"found": 0})
    (made,) = returned(run("hourly_checkpoint"), "checkpoint")
    assert (made["version"], made["isNew"], made["evidence"]) == (2, True, 2)

    # Every task has a machine, and so a home folder, of its own: what this one knows it has from Airflow.
    repository = open_repository(witnessed.reference("wine"))
    assert isinstance(repository, LayoutRepository)
    repository.set_tag(same["reference"].partition("@")[0].rpartition(":")[2], repository.resolve(same["digest"]))
    repository.blob_path(made["digest"]).unlink()
    run("hourly_checkpoint", state="failed")


def test_a_witness_names_what_was_taken_away(run, witnessed: KitClient, capfd: pytest.CaptureFixture[str]) -> None:
    repository, digest = open_repository(witnessed.reference("wine")), witnessed.resolve("wine:v1").digest
    assert isinstance(repository, LayoutRepository)
    (signature,) = repository.referrers(digest)
    repository.delete_manifest(signature.digest)
    repository.delete_tag(fallback_tag(digest))
    run("hourly_checkpoint", state="failed")
    assert "lacks what checkpoint 1 lists: signature by airflow" in "".join(capfd.readouterr())


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
    assert published["isSigned"]
    assert (tmp_path / "serving" / "model.bin").read_bytes() == (context_dir / "model.bin").read_bytes()
    assert not (tmp_path / "serving" / "data").exists()


def test_a_signed_modelkit_is_registered_in_mlflow(run, registry: str, tmp_path: Path, returned) -> None:
    KitClient(registry).pack(make_context_dir(tmp_path / "context"), "team/iris:staging")
    KitOpsHook().client.sign("team/iris:staging")
    finished = run("register_in_mlflow")
    assert returned(finished, "register")["modelUri"] == "models:/iris/1"
    assert returned(finished, "there") == {"model": "iris", "version": "1", "modelUri": "models:/iris/1"} | {
        "kind": "alias",
        "alias": "from-registry",
    }


def test_every_operator_and_sensor_is_in_an_example() -> None:
    text = "".join(path.read_text() for path in EXAMPLES.glob("*.py"))
    names = [*operators.__all__, *sensors.__all__]
    assert [name for name in names if f"{name}(" not in text and f"{name}.partial" not in text] == []
