"""Every check of the policy language, red and green."""

from decimal import Decimal

import pytest

from kitops_orchestration.lineage.statements import RunContext
from kitops_orchestration.modelkit import GateRules
from kitops_orchestration.promotion.checks.kitfile_metrics import as_number
from kitops_orchestration.signing.signed_files import sign_files

ACCURACY = {"metric": {"name": "accuracy", "min": "0.95"}}


def test_signature_counts_people_with_the_role(team):
    packed, policy = team.pack(), team.policy({"signature": {"roles": ["releaser"]}})
    assert not team.check(packed, policy).is_passed

    team.client.sign(packed.reference, team.signer("stranger"))
    assert not team.check(packed, policy).is_passed

    team.client.sign(packed.reference, team.signer("rita"))
    found = team.check(packed, policy)
    assert found.is_passed
    assert found.evidence
    assert "rita" in found.actual


@pytest.mark.parametrize("formats", [("bundle",), ("legacy",)])
def test_either_form_of_signature_is_enough(team, formats):
    packed, policy = team.pack(), team.policy({"signature": {"roles": ["releaser"]}})

    team.client.sign(packed.reference, team.signer("rita"), formats=formats)

    assert team.check(packed, policy).is_passed


def test_a_signature_by_another_role_and_a_count_that_is_not_reached_are_red(team):
    packed = team.pack()
    team.client.sign(packed.reference, team.signer("rita"))

    assert not team.check(packed, team.policy({"signature": {"roles": ["risk"]}})).is_passed
    assert not team.check(packed, team.policy({"signature": {"roles": ["releaser"], "count": 2}})).is_passed


def test_without_a_trust_policy_no_signature_counts(team):
    packed = team.pack()
    team.client.sign(packed.reference, team.signer("rita"))

    for check in ({"signature": {}}, {"attestation": {"type": "provenance"}}, {"approvals": {"roles": ["risk"]}}):
        plan = team.client.plan(packed.reference, stage="production", policy=team.policy(check))
        assert not plan.checks[-1].is_passed
        assert "no trust policy" in plan.checks[-1].actual


def test_attestation_needs_a_verified_statement_of_the_type(team):
    packed, policy = team.pack(), team.policy({"attestation": {"type": "provenance"}})
    assert team.check(packed, policy).actual == "none is attached"

    team.client.attest(packed.reference, "provenance", {"buildDefinition": {}})
    assert team.check(packed, policy).actual == "not signed"

    team.provenance(packed)
    assert team.check(packed, policy).is_passed


def test_attestation_can_demand_a_builder_and_a_result(team):
    packed = team.pack()
    team.provenance(packed, run_context=RunContext("airflow", "train", "pack", "run-1"))
    team.test_result(packed, result="FAILED", created_on="2026-03-01T00:00:00Z")

    assert team.check(packed, team.policy({"attestation": {"type": "provenance", "builder": "*airflow"}})).is_passed
    assert not team.check(packed, team.policy({"attestation": {"type": "provenance", "builder": "*dagster"}})).is_passed
    wanted = team.policy({"attestation": {"type": "test-result", "result": "PASSED"}})
    assert not team.check(packed, wanted).is_passed
    team.test_result(packed, result="PASSED", created_on="2026-03-02T00:00:00Z")
    assert team.check(packed, wanted).is_passed


def test_a_metric_of_the_kitfile_is_held_against_its_bounds(team):
    packed = team.pack()

    assert team.check(packed, team.policy(ACCURACY)).is_passed
    assert not team.check(packed, team.policy({"metric": {"name": "accuracy", "min": "0.98"}})).is_passed
    assert team.check(packed, team.policy({"metric": {"name": "loss", "max": 0.1}})).is_passed
    assert not team.check(packed, team.policy({"metric": {"name": "loss", "max": "0.09"}})).is_passed
    missing = team.check(packed, team.policy({"metric": {"name": "recall", "min": 0}}))
    assert (missing.is_passed, missing.actual) == (False, "no metric recall is stated")


def test_a_verified_test_result_decides_over_the_kitfile_and_an_unsigned_one_does_not(team):
    packed = team.pack()
    team.test_result(packed, by="", accuracy=0.99)
    team.test_result(packed, by="mal", accuracy=0.99)
    assert "Kitfile" in team.check(packed, team.policy(ACCURACY)).actual

    team.test_result(packed, accuracy=0.90)

    found = team.check(packed, team.policy(ACCURACY))
    assert not found.is_passed
    assert "0.9 (verified test result)" in found.actual


def test_a_metric_may_have_to_be_attested(team):
    packed, policy = team.pack(), team.policy({"metric": {"name": "accuracy", "min": "0.95", "attested": True}})
    assert not team.check(packed, policy).is_passed

    team.test_result(packed, accuracy="0.96")

    assert team.check(packed, policy).is_passed


@pytest.mark.parametrize("value", ["NaN", "Infinity", "high", None, True, "٠.٩٧", "1e9999999999", "9" * 200])
def test_a_metric_that_is_no_number_is_red(team, value):
    team.kitfile["model"]["parameters"]["mlflow"]["metrics"]["accuracy"] = value

    assert not team.check(team.pack(), team.policy(ACCURACY)).is_passed


def test_a_number_is_what_everybody_reads_as_one():
    assert [as_number(text) for text in ("0_97", "1e400000", "0x1", "1 2", "", None)] == [None] * 6
    assert [as_number(item) for item in (" .5", 1e-7, "+1.E3", Decimal("2"), -3)] == [
        *(Decimal(text) for text in ("0.5", "1E-7", "1000", "2", "-3"))
    ]


def test_not_worse_than_compares_with_what_the_stage_has(team):
    check = {"notWorseThan": {"stage": "production", "metric": "accuracy", "tolerance": "0.005"}}
    policy, first = team.policy(check), team.pack("1.0.0")
    assert "production is empty" in team.check(first, policy).actual
    team.client.promote(first.reference, stage="production", policy=policy, trust=team.trust)

    team.kitfile["model"]["parameters"]["mlflow"]["metrics"]["accuracy"] = 0.966
    assert team.check(team.pack("1.0.1", "b"), policy).is_passed
    team.kitfile["model"]["parameters"]["mlflow"]["metrics"]["accuracy"] = 0.96
    assert not team.check(team.pack("1.0.2", "c"), policy).is_passed


def test_not_worse_than_can_want_less_and_is_red_when_there_is_nothing_to_compare(team):
    lower = team.policy({"notWorseThan": {"stage": "production", "metric": "loss", "lowerIsBetter": True}})
    first = team.pack("1.0.0")
    team.client.promote(first.reference, stage="production", policy=lower, trust=team.trust)

    team.kitfile["model"]["parameters"]["mlflow"]["metrics"]["loss"] = 0.2
    assert not team.check(team.pack("1.0.1", "b"), lower).is_passed
    other = team.policy({"notWorseThan": {"stage": "production", "metric": "f1"}})
    team.kitfile["model"]["parameters"]["mlflow"]["metrics"]["f1"] = 1
    assert "states none" in team.check(team.pack("1.0.2", "c"), other).actual


def test_not_worse_than_holds_attested_numbers_against_attested_numbers(team):
    check = {"notWorseThan": {"stage": "production", "metric": "f1"}}
    policy, first = team.policy(check), team.pack("1.0.0")
    team.test_result(first, f1="0.8")
    team.client.promote(first.reference, stage="production", policy=policy, trust=team.trust)
    better, worse = team.pack("1.0.1", "b"), team.pack("1.0.2", "c")
    team.test_result(better, f1="0.81")
    team.test_result(worse, f1="0.79")

    assert team.check(better, policy).is_passed
    found = team.check(worse, policy)
    assert (found.is_passed, found.actual) == (False, "f1 = 0.79, production has 0.8")


def test_datasets_are_declared_by_the_kitfile_or_a_verified_provenance(team):
    policy = team.policy({"datasetsDeclared": True})
    assert team.check(team.pack("1.0.0"), policy).is_passed

    del team.kitfile["datasets"]
    assert not team.check(team.pack("1.0.1", "b"), policy).is_passed


def test_every_licence_has_to_be_allowed_and_one_has_to_be_stated(team):
    policy = team.policy({"license": {"allow": ["Apache-2.0", "MIT"]}})
    assert team.check(team.pack("1.0.0"), policy).is_passed

    team.kitfile["datasets"][0]["license"] = "CC-BY-NC-4.0"
    assert team.check(team.pack("1.0.1", "b"), policy).actual == "CC-BY-NC-4.0"
    del team.kitfile["datasets"][0]["license"], team.kitfile["package"]["license"]
    assert not team.check(team.pack("1.0.2", "c"), policy).is_passed


def test_denied_forms_are_red_wherever_they_are_stated_and_so_is_an_unknown_form(team):
    policy = team.policy({"serialization": {"deny": ["pickle", "cloudpickle"]}})
    assert team.check(team.pack("1.0.0"), policy).is_passed

    team.kitfile["model"]["parameters"]["mlflow"]["serialization_format"] = "cloudpickle"
    assert team.check(team.pack("1.0.1", "b"), policy).actual == "cloudpickle"
    team.kitfile["model"]["parameters"]["mlflow"].pop("serialization_format")
    team.kitfile["model"]["parts"] = [{"path": "train.csv"}, {"path": "old/scaler.pkl"}]
    del team.kitfile["model"]["format"]
    context = team.folder / "context-1.0.2-c"
    (context / "old").mkdir(parents=True)
    (context / "old" / "scaler.pkl").write_bytes(b"x")
    team.kitfile["datasets"] = []
    assert team.check(team.pack("1.0.2", "c"), policy).actual == "pickle"
    del team.kitfile["model"]["parts"]
    assert "neither" in team.check(team.pack("1.0.3", "d"), policy).actual


@pytest.mark.parametrize(
    ("path", "stated", "is_passed"),
    [
        ("model.skops", "skops", True),
        ("model.skops", "pkl", False),
        ("model.skops", "cloudpickle", False),
        ("model.skops", "joblib", False),
        ("model.dill", "", False),
        ("model.ckpt", "", False),
        ("model.PKL", "skops", False),
        ("model.bin", "pytorch", False),
        ("model.safetensors", "pytorch", True),
    ],
)
def test_a_pickle_under_another_name_is_a_pickle(team, path, stated, is_passed):
    context = team.folder / "context-1.0.0-x"
    context.mkdir()
    (context / path).write_bytes((2).to_bytes(8, "little") + b"{}" if path.endswith(".safetensors") else b"x")
    team.kitfile["model"].update(path=path, format=stated)
    del team.kitfile["model"]["parameters"]

    found = team.check(team.pack("1.0.0", "x"), team.policy({"serialization": {"deny": ["pickle"]}}))

    assert found.is_passed is is_passed, found.actual


def test_a_pickle_in_the_models_folder_is_found_by_the_signed_list_of_files(team):
    context = team.folder / "context-1.0.0-x"
    (context / "model").mkdir(parents=True)
    (context / "model" / "weights.safetensors").write_text("x")
    (context / "model" / "scaler.pkl").write_text("x")
    team.kitfile["model"].update(path="model", format="safetensors")
    del team.kitfile["model"]["parameters"]
    packed, policy = team.pack("1.0.0", "x"), team.policy({"serialization": {"deny": ["pickle"]}})

    sign_files(team.client.repository(packed.reference), packed.digest, team.signer("bob"))

    assert team.check(packed, policy).actual == "pickle"


def test_evidence_has_to_be_young_enough(team):
    packed, policy = team.pack(), team.policy({"maxAge": {"attestation": "test-result", "days": 30}})
    assert not team.check(packed, policy).is_passed

    team.test_result(packed, created_on="2020-01-01T00:00:00Z")
    assert "2020-01-01" in team.check(packed, policy).actual
    team.test_result(packed, created_on="2199-01-01T00:00:00Z")
    assert not team.check(packed, policy).is_passed


def test_fresh_evidence_is_green(team):
    from kitops_orchestration.signing.timestamps import format_timestamp, now

    packed, policy = team.pack(), team.policy({"maxAge": {"attestation": "test-result", "days": 1}})

    team.test_result(packed, created_on=format_timestamp(now()))

    assert team.check(packed, policy).is_passed


def is_small(facts, *, limit):
    return facts.kit.size_bytes < limit, f"{facts.kit.size_bytes} bytes"


def is_broken(facts):
    raise ZeroDivisionError("by zero")


def is_leaving(facts):
    raise SystemExit(0)


def test_own_checks_are_called_and_what_they_raise_is_red(team, monkeypatch):
    import sys
    import types

    module = types.ModuleType("team_checks")
    module.is_small, module.is_broken, module.is_odd = is_small, is_broken, lambda facts: "yes"
    module.is_leaving = is_leaving
    monkeypatch.setitem(sys.modules, "team_checks", module)
    packed = team.pack()

    def run(name, **arguments):
        return team.check(packed, team.policy({"custom": {"callable": name, "arguments": arguments}}))

    assert run("team_checks:is_small", limit=10**6).is_passed
    assert "bytes" in run("team_checks:is_small", limit=1).actual
    assert "ZeroDivisionError" in run("team_checks:is_broken").actual
    assert not run("team_checks:is_odd").is_passed
    assert "SystemExit" in run("team_checks:is_leaving").actual
    assert "cannot be loaded" in run("team_checks:missing").actual
    assert "cannot be loaded" in run("nobody-registered-this").actual


def test_the_source_stage_is_checked_by_tag_or_by_record(team):
    policy = team.policy(**{"from": ["staging"]})
    packed = team.pack("1.0.0")
    assert not team.check(packed, policy).is_passed

    team.client.tag(packed.reference, "staging")
    assert team.check(packed, policy).is_passed
    team.client.tag(team.pack("1.0.1", "b").reference, "staging")
    assert not team.check(packed, policy).is_passed
    team.client.promote(packed.reference, stage="staging", signer=team.signer("rita"))
    team.client.tag(team.pack("1.0.1", "b").reference, "staging")
    assert team.check(packed, policy).actual == "staging: promoted there"


def test_an_immutable_tag_is_never_moved(team):
    policy = team.policy(tag="1.0", immutableTags=["[0-9]*"])
    first = team.pack("1.0.0")
    team.client.promote(first.reference, stage="production", policy=policy, trust=team.trust)

    assert team.check(first, policy).is_passed
    assert not team.check(team.pack("1.0.1", "b"), policy).is_passed


def test_a_denied_digest_may_go_nowhere(team):
    from dataclasses import replace

    packed = team.pack()
    trust = replace(team.trust, deny=frozenset({str(packed.digest)}))

    plan = team.client.plan(packed.reference, stage="production", policy=team.policy(), trust=trust)

    assert [check.id for check in plan.failed_checks] == ["trustPolicy"]


def report(**more):
    return {"result": "PASSED", "findings": [], "notChecked": [], "createdOn": "2026-01-01T00:00:00Z", **more}


def test_a_scan_of_the_modelkit_makes_the_check_green(team):
    packed, policy = team.pack(), team.policy({"secretsScanned": {"maxAgeDays": 30}})
    assert "no verified report" in team.check(packed, policy).actual

    team.client.attest_scan(packed.reference)
    assert not team.check(packed, policy).is_passed  # nobody signed it

    said, _ = team.client.attest_scan(packed.reference, signer=team.signer("eve"))
    assert said.result == "PASSED"
    assert team.check(packed, policy).is_passed


def test_a_scan_of_what_was_packed_in_spite_of_the_gate_is_red(team):
    context = team.folder / "context-1.0.0-x"
    context.mkdir()
    (context / "settings.yaml").write_text("password: Tr41n-on-nights!\n")
    team.kitfile["code"] = [{"path": "settings.yaml"}]
    packed = team.pack("1.0.0", "x", gate_rules={"on_secret": "warn"})

    said, _ = team.client.attest_scan(packed.reference, signer=team.signer("eve"))

    assert said.result == "FAILED"
    found = team.check(packed, team.policy({"secretsScanned": True}))
    assert (found.is_passed, found.actual) == (False, "the report says 'FAILED'")


def test_a_scan_under_rules_that_only_warn_makes_the_same_report(team):
    context = team.folder / "context-1.0.0-x"
    context.mkdir()
    (context / "settings.yaml").write_text("password: Tr41n-on-nights!\n")
    team.kitfile["code"] = [{"path": "settings.yaml"}]
    packed = team.pack("1.0.0", "x", gate_rules={"on_secret": "warn"})

    warns = GateRules(on_secret="warn")
    said, _ = team.client.attest_scan(packed.reference, gate_rules=warns, signer=team.signer("eve"))

    assert said.result == "FAILED"
    assert not team.check(packed, team.policy({"secretsScanned": {"allowed": True}})).is_passed


@pytest.mark.parametrize(
    ("predicate", "arguments", "is_passed"),
    [
        (report(), {}, True),
        (report(result="WARNED"), {}, True),
        (report(result="FAILED"), {}, False),
        (report(result="passed"), {}, False),
        (report(result=None), {}, False),
        ({"result": "PASSED"}, {}, False),
        (report(findings=[{"reason": "a test"}]), {}, False),
        (report(findings=[{"reason": "a test"}]), {"allowed": True}, True),
        (report(notChecked=["a.zip"]), {}, True),
        (report(notChecked=["a.zip"]), {"complete": True}, False),
        (report(createdOn="2020-01-01T00:00:00Z"), {"maxAgeDays": 30}, False),
        (report(createdOn="2199-01-01T00:00:00Z"), {"maxAgeDays": 30}, False),
    ],
)
def test_what_a_report_of_the_gate_has_to_say(team, predicate, arguments, is_passed):
    packed = team.pack()
    team.client.attest(packed.reference, "gate", predicate, signer=team.signer("eve"))

    assert team.check(packed, team.policy({"secretsScanned": arguments or True})).is_passed is is_passed


def test_the_newest_report_of_the_gate_decides(team):
    packed, policy = team.pack(), team.policy({"secretsScanned": True})
    for result, day in (("PASSED", 1), ("FAILED", 2)):
        said = report(result=result, createdOn=f"2026-01-0{day}T00:00:00Z")
        team.client.attest(packed.reference, "gate", said, signer=team.signer("eve"))

    assert not team.check(packed, policy).is_passed


def test_a_report_of_somebody_who_may_not_say_so_does_not_count(team):
    packed, policy = team.pack(), team.policy({"secretsScanned": True})
    team.client.attest_scan(packed.reference, signer=team.signer("ann"))

    assert not team.check(packed, policy).is_passed
