"""The example of a schedule that witnesses, and what an instance remembers of checkpoints."""

from __future__ import annotations

import importlib.util
import json
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from dagster_kitops import (
    KitOpsResource,
    ModelKitSignerResource,
    PromotionStage,
    TrustResource,
    build_promotion_assets,
    modelkit_asset,
)
from kitops_orchestration.client import KitClient
from kitops_orchestration.oci.reference import folder_registry
from kitops_orchestration.oci.schemes import open_repository
from kitops_orchestration.promotion import CheckpointResult
from kitops_orchestration.signing.keys import load_private_key
from kitops_orchestration.signing.trust import TrustPolicy
from kitops_orchestration.testing.builders import make_context_dir
from tests.e2e.secrets_hunt import Hunt

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "dagster" / "hourly_checkpoint.py"
POLICY = {"version": 1, "checkpoint": {"maxAgeHours": 24}, "stages": {"staging": {}}}


@dataclass
class Place:
    """A folder registry with one signed version, and the people's keys beside it."""

    folder: Path
    passwords: dict[str, str] = field(repr=False)

    @property
    def registry(self) -> str:
        return folder_registry(self.folder / "registry")

    def client(self, name: str | None = None, **options: Any) -> KitClient:
        signer = load_private_key(self.folder / f"{name}.key", self.passwords[name]) if name else None
        return KitClient(self.registry, signer=signer, trust=TrustPolicy.load(self.folder / "trust.yaml"), **options)

    def witness(self) -> CheckpointResult:
        return self.client("wes").checkpoint("wine")

    def resource(self, name: str) -> KitOpsResource:
        return KitOpsResource(
            registry=self.registry,
            signer=ModelKitSignerResource(
                private_key_path=str(self.folder / f"{name}.key"), password=self.passwords[name]
            ),
            trust=TrustResource(policy_path=str(self.folder / "trust.yaml")),
        )


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, secrets_hunt: Hunt) -> Place:
    people = {"rita": ["releaser"], "wes": ["witness"]}
    passwords = {}
    for name in people:
        pair, passwords[name] = secrets_hunt.key_pair("Dagster's people: signing key", may_be_in=[f"/{name}.key"])
        pair.write(tmp_path / name)
    identities = [
        {"id": name, "roles": roles, "keys": [{"publicKey": f"{name}.pub"}]} for name, roles in people.items()
    ]
    (tmp_path / "trust.yaml").write_text(json.dumps({"version": 1, "identities": identities}))
    (tmp_path / "policy.yaml").write_text(json.dumps(POLICY))
    found = Place(tmp_path, passwords)
    found.client().pack(make_context_dir(tmp_path / "context"), "wine:v1")
    found.client("rita").sign("wine:v1")
    monkeypatch.setenv("KITOPS_REGISTRY", found.registry)
    monkeypatch.setenv("KITOPS_WITNESS_KEY", str(tmp_path / "wes.key"))
    monkeypatch.setenv("KITOPS_WITNESS_PASSWORD", passwords["wes"])
    monkeypatch.setenv("KITOPS_TRUST_POLICY", str(tmp_path / "trust.yaml"))
    # This machine forgets: what is remembered here is the instance's.
    monkeypatch.setenv("KITOPS_ORCHESTRATION_STATE", "/dev/null/nowhere")
    return found


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> dg.Definitions:
    spec = importlib.util.spec_from_file_location("hourly_checkpoint_example", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module.defs  # type: ignore[no-any-return]  # an example has no types


def test_the_schedule_renews_and_names_what_was_taken_away(place: Place, example: dg.Definitions, monkeypatch) -> None:
    job = example.resolve_job_def("witness_repository")
    [schedule] = example.schedules or ()
    with dg.DagsterInstance.ephemeral() as instance:
        tick = dg.build_schedule_context(instance, datetime(2026, 1, 31, 12, 7, tzinfo=UTC))
        [asked] = schedule.evaluate_tick(tick).run_requests
        assert asked.run_key == "wine-2026-01-31T12"
        config = asked.run_config
        first = job.execute_in_process(config, instance=instance, raise_on_error=False)
        assert "has no checkpoint by wes to renew" in _failure(first)

        monkeypatch.setenv("KITOPS_ORCHESTRATION_STATE", str(place.folder / "state"))
        made = place.witness()
        monkeypatch.setenv("KITOPS_ORCHESTRATION_STATE", "/dev/null/nowhere")
        assert job.execute_in_process(config, instance=instance).success
        assert place.client().resolve(str(made.reference).partition("@")[0]).digest == made.reference.digest

        repository = open_repository(place.client().reference("wine"))
        digest = repository.resolve("v1").digest
        for item in repository.referrers(digest):
            repository.delete_manifest(item.digest)  # type: ignore[attr-defined]  # a folder has it
        repository.delete_tag(digest.replace(":", "-"))
        gone = job.execute_in_process(config, instance=instance, raise_on_error=False)
        assert "lacks what checkpoint 1 lists: signature" in _failure(gone)


def test_an_instance_remembers_what_its_steps_saw(place: Place, monkeypatch) -> None:
    monkeypatch.setenv("KITOPS_ORCHESTRATION_STATE", str(place.folder / "state"))
    old = place.witness()
    place.client().tag("wine:v1", "v2")
    place.client("rita").attest("wine:v1", "https://a.example/report/v1", {"found": 0})
    place.witness()
    monkeypatch.setenv("KITOPS_ORCHESTRATION_STATE", "/dev/null/nowhere")

    @modelkit_asset(repository="wine", tag="v1")
    def wine():
        return place.folder / "context"

    policy = str(place.folder / "policy.yaml")
    assets = [wine, *build_promotion_assets(source=wine, stages=[PromotionStage("staging", policy_path=policy)])]

    def run(instance: dg.DagsterInstance) -> Any:
        resources = {"kitops": place.resource("rita")}
        return dg.materialize(assets, resources=resources, instance=instance, raise_on_error=False)

    with dg.DagsterInstance.ephemeral() as instance, dg.DagsterInstance.ephemeral() as other:
        assert run(instance).success
        repository = open_repository(place.client().reference("wine"))
        repository.set_tag(str(old.reference.tag), repository.resolve(old.reference.digest or ""))

        assert "checkpoint 1 by wes was put back: number 2 was seen before" in _failure(run(instance))
        # An instance that saw nothing has it from the record of the promotion, and says so.
        assert "checkpoint 1 by wes was put back: a promotion on record saw number 2" in _failure(run(other))


def _failure(result: Any) -> str:
    [failed] = [event for event in result.all_events if event.is_step_failure]
    return str(failed.event_specific_data.error)
