"""Every number on a page against the answer of the verb that it comes from."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import pytest

from kitops_orchestration.catalog import addresses, words
from kitops_orchestration.catalog.views.board import to_do
from kitops_orchestration.catalog.views.shared import event_rows
from kitops_orchestration.lineage.passport.statements import statements

MODELS = ("risk/churn-risk", "risk/fraud-score", "vision/label-reader")


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.parametrize("name", MODELS)
def test_the_board_says_what_status_and_verdict_say(sample, name) -> None:
    model = next(item for item in sample.catalog.models if item.name == name)
    told = sample.client.status(name, policy=sample.policy, trust=sample.trust, is_complete=True)
    assert [stage.history for stage in model.stages] == told
    for stage in model.stages:
        verdict = sample.client.stage_verdict(name, stage=stage.name, policy=sample.policy, trust=sample.trust)
        assert stage.verdict is not None
        assert (stage.verdict.answer, stage.verdict.reason) == (verdict.answer, verdict.reason)
        assert stage.state == {"yes": "holds", "no": "red"}[verdict.answer]


def test_the_sentence_of_the_board_counts_the_verdicts(sample) -> None:
    verdicts = [
        sample.client.stage_verdict(name, stage=stage, policy=sample.policy, trust=sample.trust).answer
        for name in MODELS
        for stage in sample.policy.stages
    ]
    red, holds = verdicts.count("no"), verdicts.count("yes")
    assert (red, holds) == (1, 5)
    assert (
        f"{red} stage is red, 1 is frozen, 2 versions wait for people, {holds} hold" in sample.read("index.html").text
    )


def test_what_waits_is_what_plan_says(sample) -> None:
    fraud = next(item for item in sample.catalog.models if item.name == "risk/fraud-score")
    plan = sample.client.plan("risk/fraud-score:1.4.0", stage="production", policy=sample.policy, trust=sample.trust)
    assert [check.to_json() for check in fraud.waiting[0].plan.checks] == [check.to_json() for check in plan.checks]
    (lacking,) = plan.missing_approvals
    assert f"{lacking.expected}, found {lacking.actual}" in sample.read("index.html").text


def test_what_waits_does_so_since_it_came_to_the_stage_before(sample) -> None:
    fraud = next(item for item in sample.catalog.models if item.name == "risk/fraud-score")
    staging = next(stage for stage in fraud.stages if stage.name == "staging")
    (waits,) = [item for item in to_do(sample.catalog) if item.word == "Waits" and item.title.startswith("risk/fraud")]
    assert waits.since == staging.entry.record.time


def test_a_version_that_waits_for_people_is_not_called_approved(sample) -> None:
    """The trust policy counts one voice, the stage two: the page says what the stage says."""
    fraud = next(item for item in sample.catalog.models if item.name == "risk/fraud-score")
    page = sample.read(addresses.version_page(fraud.name, fraud.releases[-1].digest)).text
    (lacking,) = fraud.waiting[0].plan.missing_approvals
    assert f"Sign-off Waits for production: {lacking.expected}, found {lacking.actual}" in page
    assert "of 1 needed" not in page


def test_where_it_runs_is_what_where_deployed_says(sample) -> None:
    for model in sample.catalog.models:
        told = sample.client.where_deployed(model.name, trust=sample.trust)
        assert model.deployments.to_json() == told.to_json()
        (place,) = told.running
        assert place.target.shown in sample.read(addresses.model_page(model.name)).text + sample.read("index.html").text


@pytest.mark.parametrize("name", MODELS)
def test_a_version_has_the_passport_that_the_verb_gives(sample, name) -> None:
    model = next(item for item in sample.catalog.models if item.name == name)
    for release in model.releases:
        told = sample.client.passport(f"{name}@{release.digest}", trust=sample.trust)
        shown, page = release.passport.to_json(), sample.read(addresses.version_page(name, release.digest))
        assert shown["metrics"] == told.to_json()["metrics"]
        for member in (
            "digest",
            "sizeBytes",
            "lineage",
            "trainingData",
            "signatures",
            "signOffs",
            "deployments",
            "card",
        ):
            assert shown[member] == told.to_json()[member], member
        said = statements(told)
        assert f"{sum(item.counts and item.evidence.is_verified for item in said)} of {len(said)} count" in page.text
        for metric, value in told.metrics.items():
            assert f"{metric} {words.number(value)}" in page.text
        for item in told.version.lineage.written:
            assert (
                f"{item.title} {' '.join(item.text.split())} Counts written by {item.card.evidence.signer_name}"
                in page.text
            )
        assert words.size(told.version.kit.size_bytes) in page.text
        assert told.digest[7:19] in page.text


@pytest.mark.parametrize("name", MODELS)
def test_the_table_of_versions_has_the_numbers_of_the_passports(sample, name) -> None:
    table = rows_of(sample.text(addresses.versions_csv(name)))
    assert [row["version"] for row in table] == ["1.0.0", "1.1.0", "1.2.0", "1.3.0", "1.4.0"]
    for row in table:
        told = sample.client.passport(f"{name}@{row['digest']}", trust=sample.trust)
        assert (float(row["auc"]), float(row["recall"])) == (told.metrics["auc"], told.metrics["recall"])
        assert int(row["size_bytes"]) == told.version.kit.size_bytes


@pytest.mark.parametrize("name", MODELS)
def test_what_changed_is_what_diff_says(sample, name) -> None:
    model = next(item for item in sample.catalog.models if item.name == name)
    for before, release in zip(model.releases, model.releases[1:], strict=False):
        told = sample.client.diff(f"{name}@{before.digest}", f"{name}@{release.digest}", trust=sample.trust)
        expected, shown = told.to_json(), release.since.to_json()
        for member in ("metrics", "layers", "kitfile", "parameters", "madeFrom", "same"):
            assert shown[member] == expected[member], member
        text = sample.read(addresses.version_page(name, release.digest)).text
        for item in told.metrics:
            assert f"{item.name}: {item.left} → {item.right}" in text


def test_the_facts_of_a_comparison_differ_where_diff_differs(sample) -> None:
    model = sample.catalog.models[0]
    one, two = model.releases[1], model.releases[3]
    facts = [
        json.loads(sample.text(addresses.version_data(model.name, item.digest)).partition(",")[2].rpartition(")")[0])
        for item in (one, two)
    ]
    told = sample.client.diff(f"{model.name}@{one.digest}", f"{model.name}@{two.digest}", trust=sample.trust)

    def differing(member: str) -> set[str]:
        left, right = (dict(item[member]) for item in facts)
        return {name for name in {*left, *right} if left.get(name) != right.get(name)}

    assert differing("metrics") == {item.name for item in told.metrics}
    assert differing("fields") == {item.field for item in told.kit.fields}
    assert differing("parameters") == {item.field for item in told.kit.parameters}
    assert differing("layers") == {f"{item.kind} {item.path}" for item in told.kit.changed_layers}


def test_the_audit_has_every_event_of_every_timeline_once(sample) -> None:
    months = sorted(path for path in (sample.site / "audit").glob("*.csv") if path.stem != "all")
    rows = [row for path in months for row in rows_of(path.read_text(encoding="utf-8"))]
    for model in sample.catalog.models:
        told = sample.client.timeline(model.name, trust=sample.trust)
        found = [row for row in rows if row["repository"] == model.reference.name and row["digest"]]
        assert sorted((row["digest"], row["statement"]) for row in found) == sorted(
            (event.digest, str(event.evidence.descriptor.digest) if event.evidence else "") for event in told.events
        )
    freezes = [row for row in rows if row["event"] == "freeze"]
    assert [row["what"] for row in freezes] == ["the cameras of hall 3 are being changed"]
    assert f"{len(rows)} events on record" in sample.read("audit/index.html").text


def test_a_data_set_leads_to_every_version_that_was_trained_on_it(sample) -> None:
    named: dict[str, set[str]] = {}
    for model in sample.catalog.models:
        for release in model.releases:
            for use in sample.client.training_data(f"{model.name}@{release.digest}", trust=sample.trust).data:
                named.setdefault(use.data.identity, set()).add(release.digest)
    assert {item.identity for item in sample.catalog.data_sets()} == named.keys()
    for identity, digests in named.items():
        links = {str(item.get("href")) for item in sample.read(addresses.data_page(identity)).all("a")}
        pages = {link.rpartition("/")[2] for link in links if "/v/" in link}
        assert pages == {digest.replace(":", "-") + ".html" for digest in digests}


def test_the_summary_for_machines_is_the_answer_of_the_verb(sample) -> None:
    value = json.loads(sample.text("catalogue.json"))
    assert value == json.loads(json.dumps({**sample.catalog.to_json(), "site": None}))


def test_a_number_is_short_on_the_page_and_whole_beside_it() -> None:
    assert [words.number(value) for value in (0.123456789, "0.97", -0.5, 4112870, "NaN", 1e999, None, "fast")] == [
        "0.1235",
        "0.97",
        "−0.5",
        "4,112,870",
        "NaN",
        "Infinity",
        "-",
        "fast",
    ]
    assert [words.size(value) for value in (0, 999, 1000, 46_100_000, 999_950, 10**18)] == [
        "0 B",
        "999 B",
        "1.0 kB",
        "46.1 MB",
        "1.0 MB",
        "1000.0 PB",
    ]


def test_a_freeze_that_holds_is_not_called_one_that_does_not_count(sample) -> None:
    """Anybody's freeze holds, whatever the trust policy says of the key."""
    model = next(item for item in sample.catalog.models if item.name == "vision/label-reader")
    stage = next(item for item in model.stages if item.name == "production")
    assert stage.frozen is not None
    (freeze,) = stage.freezes
    doubted = replace(freeze, is_verified=False, reason="no key of the trust policy made this signature")
    stages = tuple(replace(item, freezes=(doubted,)) if item is stage else item for item in model.stages)
    (row,) = [
        row
        for row in event_rows(replace(sample.catalog, models=(replace(model, stages=stages),)))
        if row.kind == "freeze"
    ]
    assert row.mark is not None
    assert (row.mark.word, row.mark.reason) == (
        "Holds",
        "a freeze holds whoever signs it; no key of the trust policy made this signature",
    )
