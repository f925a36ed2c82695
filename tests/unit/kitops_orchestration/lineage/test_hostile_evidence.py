"""Anybody who may push can attach anything: no answer may fall over, and nothing unsigned may count."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kitops_orchestration.errors import SignatureError
from kitops_orchestration.lineage.answers.questions import lineage
from kitops_orchestration.lineage.answers.sign_offs import sign_offs
from kitops_orchestration.lineage.answers.timeline import timeline
from kitops_orchestration.lineage.passport.passport import passport
from kitops_orchestration.lineage.projections.openlineage import events
from kitops_orchestration.lineage.statements.attach import attach
from kitops_orchestration.modelkit.pack import pack
from kitops_orchestration.oci.layout import LayoutRepository
from kitops_orchestration.oci.reference import Reference, folder_registry
from kitops_orchestration.presentation import html, terminal
from kitops_orchestration.signing import predicate_types
from kitops_orchestration.signing.statement import Statement

NOW = datetime(2026, 6, 1, tzinfo=UTC)
WORDS = st.sampled_from(["APPROVED", "production", "deployed", "2026-03-01T10:00:00Z", "soon", "sha256:x", "", "ä\x00"])
LEAVES = st.none() | st.booleans() | st.integers(-5, 5) | WORDS
JSON = st.recursive(
    LEAVES, lambda item: st.lists(item, max_size=2) | st.dictionaries(WORDS, item, max_size=2), max_leaves=4
)
MEMBERS = st.sampled_from(
    """decision environment target action createdOn expiresOn deployedOn timestamp approver policy evidence toStage
    srcRef dstRef digest result kitops_metrics configuration buildDefinition runDetails root files serialization
    resources orchestrator verifier""".split()  # noqa: SIM905 - a list of words reads best as words
)
SHAPES = [
    {"decision": "APPROVED", "environment": "production"},
    {"action": "deployed", "environment": "production", "target": {"kind": "k", "name": "n"}},
    {"srcRef": "x", "dstRef": "y", "digest": "z", "toStage": "production", "timestamp": "2026-03-01T10:00:00Z"},
    {"buildDefinition": {"buildType": "b", "externalParameters": {}}, "runDetails": {"builder": {"id": "i"}}},
    {"result": "PASSED"},
    {},
]


@pytest.mark.needs("openlineage")
@given(
    st.sampled_from(sorted(predicate_types.SHORT_NAMES.values())),
    st.sampled_from(SHAPES),
    st.dictionaries(MEMBERS, JSON, max_size=3),
)
def test_no_answer_falls_over_a_predicate_of_any_shape(kind, shape, noise) -> None:
    with TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "m").mkdir()
        (root / "m" / "Kitfile").write_text("manifestVersion: 1.0.0\nmodel: {path: m.bin}\n")
        (root / "m" / "m.bin").write_bytes(b"m")
        repository = LayoutRepository(Reference.parse(f"{folder_registry(root)}/team/iris"))
        digest = pack(root / "m", repository, tag="v1").digest
        attach(repository, digest, Statement.build(digest, kind, {**shape, **noise}))

        found = lineage(repository, "v1")
        answers = [found, timeline(repository), sign_offs(repository, "v1", at=NOW), passport(repository, "v1", at=NOW)]

        for answer in answers:
            json.dumps(answer.to_json())
            answer.to_markdown()
            answer._repr_html_()
            terminal.render(answer.page(), width=80)
            html.render(answer.page())
        json.dumps(answers[-1].to_cyclonedx())
        events(found)
        assert not answers[2].is_approved("production")


@pytest.mark.parametrize("when", ["soon", "2026-13-45T00:00:00Z", "12:00"])
def test_a_time_that_is_none_keeps_a_decision_from_being_read(repository, put, ada, trust, when) -> None:
    digest = put(repository, "v1").digest
    predicate = {"decision": "APPROVED", "environment": "production", "expiresOn": when}
    attach(repository, digest, Statement.build(digest, predicate_types.APPROVAL, predicate), signer=ada)

    found = sign_offs(repository, "v1", trust=trust, at=NOW)

    assert found.decisions == ()
    assert "not a time" in found.unreadable[0].reason


def test_a_statement_of_ours_with_such_a_time_is_not_even_made(repository, put) -> None:
    from kitops_orchestration.lineage.statements import Approval

    put(repository, "v1")
    with pytest.raises(SignatureError, match="not a time"):
        attach(repository, "v1", Approval("APPROVED", "production", created_on="soon"))
