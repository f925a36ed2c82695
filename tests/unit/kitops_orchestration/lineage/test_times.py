"""Each event carries its own time, and a retry adds nothing."""

from __future__ import annotations

from typing import Any

from kitops_orchestration.lineage.answers.deployment import record_deployment
from kitops_orchestration.lineage.answers.questions import lineage
from kitops_orchestration.lineage.answers.timeline import timeline
from kitops_orchestration.lineage.statements import DeploymentTarget
from kitops_orchestration.lineage.statements.attach import attach, load_evidence
from kitops_orchestration.lineage.statements.dependencies import SourceRun
from kitops_orchestration.lineage.statements.provenance import provenance
from kitops_orchestration.lineage.statements.run_context import RunContext
from kitops_orchestration.modelkit.pack import pack
from kitops_orchestration.signing.timestamps import now, parse_timestamp

TRAINED = ("2026-03-01T08:00:00Z", "2026-03-01T09:00:00Z")
PACKED = ("2026-04-02T10:00:00Z", "2026-04-02T10:01:00Z")
EU = DeploymentTarget("kserve", "iris")


def packed(tmp_path: Any, repository: Any) -> Any:
    context = tmp_path / "context"
    context.mkdir()
    (context / "Kitfile").write_text("manifestVersion: 1.0.0\npackage: {name: iris}\nmodel: {path: model.bin}\n")
    (context / "model.bin").write_bytes(b"weights")
    date = {"org.opencontainers.image.created": TRAINED[1]}
    return pack(context, repository, tag="v1", annotations=date)


def test_trained_and_packed_are_two_events_with_two_times(tmp_path: Any, repository: Any) -> None:
    result = packed(tmp_path, repository)
    run = SourceRun("mlflow-run", started_on=TRAINED[0], finished_on=TRAINED[1])
    attach(repository, result.digest, provenance(result, None, run, packed_between=PACKED))
    events = {item.summary: item.time for item in timeline(repository).events}
    assert events["trained"] == TRAINED[1]
    assert [time for summary, time in events.items() if summary.startswith("by ")] == [PACKED[1]]
    text = lineage(repository, "v1").to_markdown()
    assert "| trained | 2026-03-01" in text
    assert "| packed | 2026-04-02" in text


def test_packing_again_is_no_other_statement(tmp_path: Any, repository: Any) -> None:
    result = packed(tmp_path, repository)
    run = SourceRun("mlflow-run", started_on=TRAINED[0], finished_on=TRAINED[1])
    later = ("2026-05-05T10:00:00Z", "2026-05-05T10:01:00Z")
    assert attach(repository, result.digest, provenance(result, None, run, packed_between=PACKED)).is_new
    assert not attach(repository, result.digest, provenance(result, None, run, packed_between=later)).is_new


def test_a_deployment_has_the_time_of_the_act_and_not_of_the_run(tmp_path: Any, repository: Any) -> None:
    packed(tmp_path, repository)
    context = RunContext("airflow", "deploy", "roll_out", "run-1", 1, started_on="2026-03-01T10:00:00Z")
    before = now()
    assert record_deployment(repository, "v1", "production", EU, run_context=context).is_new
    (found,) = [item for item in load_evidence(repository, "v1") if item.statement]
    assert parse_timestamp(str(found.time)) >= before.replace(microsecond=0)
    again = RunContext("airflow", "deploy", "roll_out", "run-1", 2, started_on="2026-03-01T10:00:00Z")
    assert not record_deployment(repository, "v1", "production", EU, run_context=again).is_new


def test_a_deployment_outside_of_a_run_is_an_act_of_its_own_each_time(tmp_path: Any, repository: Any) -> None:
    packed(tmp_path, repository)
    for moment in ("2026-03-01T10:00:00Z", "2026-03-02T10:00:00Z"):
        assert record_deployment(repository, "v1", "production", EU, deployed_on=moment).is_new
