from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from kitops_orchestration.lineage.answers.questions import lineage
from kitops_orchestration.lineage.statements import (
    Approval,
    Dependency,
    Promotion,
    RunContext,
    SourceRun,
    TestResult,
    git_source,
    provenance,
)
from kitops_orchestration.lineage.statements.attach import attach
from kitops_orchestration.modelkit.kitfile import Kitfile, Model
from kitops_orchestration.signing.sign import sign


def packed(repository, descriptor, tag="v1", model_path="model"):
    """What packing returns, as far as provenance reads it."""
    return SimpleNamespace(
        reference=repository.reference.with_tag(tag).with_digest(descriptor.digest),
        digest=descriptor.digest,
        manifest=repository.fetch_manifest(descriptor.digest),
        kitfile=Kitfile(model=Model(name="iris", path=model_path)),
        layers=(),
    )


RUN = SourceRun(
    "mlflow-run",
    "mlflow://tracking.example/experiments/1/runs/abc",
    parameters={"C": "1.0"},
    metrics={"accuracy": 0.97},
    dependencies=(
        Dependency("dataset", "iris-2026", "s3://data/iris.csv", {"sha256": "a" * 64}, {"context": "training"}),
        git_source("https://user:secret@git.example/iris.git", "c" * 40, branch="main"),
    ),
    finished_on="2026-03-01T09:00:00Z",
)
CONTEXT = RunContext("airflow", "train", "pack", "manual__1", 1, "ada")


def test_lineage_answers_where_a_modelkit_comes_from_and_went(repository, put, ada, trust) -> None:
    descriptor = put(repository, "v1")
    attach(repository, "v1", provenance(packed(repository, descriptor), CONTEXT, RUN), signer=ada)
    attach(repository, "v1", TestResult("PASSED", created_on="2026-03-01T10:00:00Z"), signer=ada)
    promotion = Promotion("a/b:v1", "a/c:production", descriptor.digest, "production", "2026-03-02T10:00:00Z")
    attach(repository, "v1", promotion, signer=ada)

    found = lineage(repository, "v1", trust=trust)

    assert found.reference == repository.reference.with_tag("v1").with_digest(descriptor.digest)
    assert [item.name for item in found.data] == ["iris-2026"]
    assert found.data[0].digest == {"sha256": "a" * 64}
    assert found.source[0].uri == "git+https://git.example/iris.git@" + "c" * 40
    assert found.run["job"] == "train"
    assert found.run["source"]["uri"] == RUN.uri
    assert found.provenance.metrics == {"accuracy": 0.97}
    assert found.promotions[0].predicate == promotion
    assert found.promotions[0].evidence.is_verified
    assert found.not_counted == ()


def test_lineage_is_json_and_markdown(repository, put, ada) -> None:
    descriptor = put(repository, "v1")
    attach(repository, "v1", provenance(packed(repository, descriptor), CONTEXT, RUN), signer=ada)

    found = lineage(repository, "v1")

    assert json.loads(json.dumps(found.to_json()))["data"][0]["name"] == "iris-2026"
    assert "secret" not in json.dumps(found.to_json())
    assert "| dataset | iris-2026 |" in found.to_markdown()
    assert "signatures were not checked" in found.to_markdown()


def test_with_a_trust_policy_unsigned_and_untrusted_statements_are_set_apart(
    repository, put, ada, mallory, trust
) -> None:
    put(repository, "v1")
    attach(repository, "v1", Approval("APPROVED", "production", created_on="2026-03-01T10:00:00Z"), signer=mallory)
    attach(repository, "v1", TestResult("PASSED"))

    found = lineage(repository, "v1", trust=trust)

    assert found.approvals == ()
    assert found.tests == ()
    assert {item.reason for item in found.not_counted} == {
        "not signed",
        "no key of the trust policy made this signature",
    }


def test_a_modelkit_without_evidence_has_an_empty_lineage(repository, put) -> None:
    put(repository, "v1")
    found = lineage(repository, "v1")

    assert found.provenance is None
    assert found.data == ()
    assert found.run == {}


def test_a_predicate_that_is_not_of_its_type_is_set_apart(repository, put, ada, trust) -> None:
    from kitops_orchestration.lineage.statements.attach import attest

    put(repository, "v1")
    attest(repository, "v1", "approval", {"decision": "MAYBE", "environment": "production"}, signer=ada)

    found = lineage(repository, "v1", trust=trust)

    assert found.approvals == ()
    assert "decision is 'MAYBE'" in found.not_counted[0].reason


def test_the_same_pack_in_the_same_run_gives_the_same_provenance(repository, put) -> None:
    descriptor = put(repository, "v1")
    first = provenance(packed(repository, descriptor), CONTEXT, RUN)

    assert first.content == provenance(packed(repository, descriptor), CONTEXT, RUN).content


def test_a_base_model_in_the_kitfile_becomes_a_dependency(repository, put, ada) -> None:
    descriptor = put(repository, "v1")
    base = f"registry.example/base/llama:8b@sha256:{'b' * 64}"
    attach(repository, "v1", provenance(packed(repository, descriptor, model_path=base)), signer=ada)

    [found] = lineage(repository, "v1").base_models

    assert found.uri == f"oci://{base}"
    assert found.digest == {"sha256": "b" * 64}


@pytest.mark.parametrize("formats", [["legacy"], ["bundle"], ["bundle", "legacy"]])
def test_a_signature_of_either_form_shows_once(repository, put, ada, trust, formats) -> None:
    put(repository, "v1")
    sign(repository, "v1", ada, formats=formats)

    [signature] = lineage(repository, "v1", trust=trust).signatures

    assert signature.is_verified
    assert signature.signer == ada.public_key.fingerprint
    assert len(lineage(repository, "v1").signatures) == 1
