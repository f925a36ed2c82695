from __future__ import annotations

import json

import pytest

from kitops_orchestration.errors import NotFoundError, RegistryError, SignatureError
from kitops_orchestration.lineage.statements import Approval, Deployment, DeploymentTarget, TestResult, statement_about
from kitops_orchestration.lineage.statements.attach import attach, attest, load_evidence
from kitops_orchestration.oci import referrers
from kitops_orchestration.oci.descriptor import Descriptor, Digest
from kitops_orchestration.oci.manifest import Index
from kitops_orchestration.signing import predicate_types
from kitops_orchestration.signing.bundle import BUNDLE, sign_statement
from kitops_orchestration.signing.evidence import IN_TOTO

APPROVED = Approval("APPROVED", environment="production", role="risk", created_on="2026-03-01T10:00:00Z")


def test_an_unsigned_statement_says_that_it_is_not_signed(repository, put) -> None:
    put(repository, "v1")
    attached = attach(repository, "v1", APPROVED)

    [evidence] = load_evidence(repository, "v1")

    assert attached.is_new
    assert not attached.is_signed
    assert not evidence.is_signed
    assert evidence.reason == "not signed"
    assert Approval.from_json(evidence.statement.predicate) == APPROVED
    assert repository.referrers(repository.resolve("v1").digest)[0].artifact_type == IN_TOTO


def test_a_signed_statement_verifies_with_its_key_only(repository, put, ada, mallory, trust) -> None:
    put(repository, "v1")
    attach(repository, "v1", APPROVED, signer=ada)
    attach(repository, "v1", TestResult("PASSED"), signer=mallory)

    test_result, approval = load_evidence(repository, "v1", trust=trust)

    assert approval.is_verified
    assert approval.signer == ada.public_key.fingerprint
    assert not test_result.is_verified
    assert test_result.reason == "no key of the trust policy made this signature"


def test_without_a_trust_policy_nothing_is_verified(repository, put, ada) -> None:
    put(repository, "v1")
    attach(repository, "v1", APPROVED, signer=ada)

    [evidence] = load_evidence(repository, "v1")

    assert evidence.is_signed
    assert not evidence.is_verified
    assert evidence.reason == "signed; no trust policy to check it"


@pytest.mark.parametrize("is_signed", [True, False])
def test_attaching_again_adds_nothing(repository, put, ada, is_signed) -> None:
    put(repository, "v1")
    signer = ada if is_signed else None
    first = attach(repository, "v1", APPROVED, signer=signer)
    second = attach(repository, "v1", APPROVED, signer=signer)

    assert first.is_new
    assert not second.is_new
    assert first.descriptor.digest == second.descriptor.digest
    assert len(load_evidence(repository, "v1")) == 1


def test_another_try_of_the_same_run_adds_nothing(repository, put, ada) -> None:
    put(repository, "v1")
    place = DeploymentTarget("kserve", "iris")
    for number in (1, 2):
        run = {"type": "airflow", "runId": "r1", "tryNumber": number}
        event = Deployment("deployed", "production", place, deployed_on="2026-03-01T10:00:00Z", orchestrator=run)
        attach(repository, "v1", event, signer=ada)

    [evidence] = load_evidence(repository, "v1")

    assert evidence.statement.predicate["orchestrator"]["tryNumber"] == 1


def test_a_signed_statement_is_added_beside_an_unsigned_one(repository, put, ada) -> None:
    put(repository, "v1")
    attach(repository, "v1", APPROVED)

    assert attach(repository, "v1", APPROVED, signer=ada).is_new
    assert [item.is_signed for item in load_evidence(repository, "v1")].count(True) == 1


def test_a_statement_about_another_digest_is_not_attached(repository, put) -> None:
    put(repository, "v1", b"one")
    other = put(repository, "v2", b"two")

    with pytest.raises(SignatureError, match="not about"):
        attach(repository, "v1", statement_about(other.digest, APPROVED))


def test_nothing_is_attached_to_what_is_not_there(repository) -> None:
    with pytest.raises(NotFoundError):
        attach(repository, "v1", APPROVED)


def test_a_replayed_statement_is_reported_and_does_not_count(repository, put, ada, trust) -> None:
    put(repository, "v1", b"one")
    other = put(repository, "v2", b"two")
    bundle = sign_statement(statement_about(other.digest, APPROVED), ada)
    referrers.attach(repository, repository.resolve("v1"), artifact_type=BUNDLE, layers=[(bundle, BUNDLE)])

    [evidence] = load_evidence(repository, "v1", trust=trust)

    assert not evidence.is_verified
    assert not evidence.is_about_subject
    assert evidence.reason == "the statement is about another digest"


def test_any_report_becomes_evidence_whatever_the_order_of_its_members(repository, put, ada) -> None:
    put(repository, "v1")
    first = attest(repository, "v1", "https://example.com/scan/v1", {"found": 0, "by": {"b": 1, "a": 2}}, signer=ada)
    again = attest(repository, "v1", "https://example.com/scan/v1", {"by": {"a": 2, "b": 1}, "found": 0}, signer=ada)

    assert first.is_new
    assert not again.is_new


def test_a_report_that_json_cannot_hold_is_refused(repository, put) -> None:
    put(repository, "v1")
    with pytest.raises(SignatureError, match="cannot hold"):
        attest(repository, "v1", "test-result", {"accuracy": float("nan")})


def test_only_the_wanted_types_are_fetched(repository, put, ada) -> None:
    put(repository, "v1")
    attach(repository, "v1", APPROVED, signer=ada)
    attach(repository, "v1", TestResult("PASSED"), signer=ada)
    repository.calls.clear()

    [evidence] = load_evidence(repository, "v1", predicate_types={predicate_types.APPROVAL})

    assert evidence.predicate_type == predicate_types.APPROVAL
    assert repository.calls["fetch_blob"] == 1


def test_a_lying_annotation_does_not_change_the_type(repository, put, ada, trust) -> None:
    put(repository, "v1")
    subject = repository.resolve("v1")
    bundle = sign_statement(statement_about(subject.digest, TestResult("FAILED")), ada)
    referrers.attach(
        repository,
        subject,
        artifact_type=BUNDLE,
        layers=[(bundle, BUNDLE)],
        annotations={"dev.sigstore.bundle.predicateType": predicate_types.APPROVAL},
    )

    assert load_evidence(repository, "v1", trust=trust, predicate_types={predicate_types.APPROVAL}) == []


def list_as_referrer(repository, subject, descriptor) -> None:
    """Write a fallback index by hand, as a broken tool or an attacker would."""
    index = Index.build([descriptor])
    repository.blob_path(index.digest).write_bytes(index.content)
    path = repository.directory / "index.json"
    document = json.loads(path.read_text())
    tag = {"org.opencontainers.image.ref.name": referrers.fallback_tag(subject.digest)}
    others = [entry for entry in document["manifests"] if not tag.items() <= entry.get("annotations", {}).items()]
    document["manifests"] = [*others, {**index.descriptor.to_json(), "annotations": tag}]
    path.write_text(json.dumps(document))


@pytest.mark.parametrize(
    "content",
    [None, b"no manifest", b'{"schemaVersion":2,"config":{"mediaType":"x"}}', b'{"schemaVersion":2,"manifests":[]}'],
    ids=["gone", "no-json", "no-manifest", "an-index"],
)
def test_a_broken_index_entry_is_reported_and_hides_nothing(repository, put, ada, trust, content) -> None:
    subject = put(repository, "v1")
    attach(repository, "v1", APPROVED, signer=ada)
    data = content or b"gone"
    broken = Descriptor("application/vnd.oci.image.manifest.v1+json", Digest.of(data), len(data), artifact_type=BUNDLE)
    if content is not None:
        repository.blob_path(broken.digest).write_bytes(content)
    list_as_referrer(repository, subject, broken)

    found = load_evidence(repository, "v1", trust=trust)

    assert sorted(item.is_verified for item in found) == [False, True]
    assert next(item for item in found if not item.is_verified).statement is None
    assert not attach(repository, "v1", APPROVED, signer=ada).is_new


def test_a_registry_that_does_not_answer_is_not_missing_evidence(signer_and_registry) -> None:
    repository, registry, ada, trust = signer_and_registry
    attach(repository, "v1", APPROVED, signer=ada)
    registry.fail_next(method="GET", path_contains="/blobs/", status=403, times=100)

    with pytest.raises(RegistryError):
        load_evidence(repository, "v1", trust=trust)


@pytest.fixture
def signer_and_registry(put, ada, trust):
    from kitops_orchestration.oci.schemes import open_repository
    from kitops_orchestration.testing.registry import EmbeddedRegistry

    with EmbeddedRegistry() as registry:
        repository = open_repository(registry.reference("team/iris"))
        put(repository, "v1")
        yield repository, registry, ada, trust


def test_no_layer_is_fetched(repository, put, ada, trust) -> None:
    put(repository, "v1")
    attach(repository, "v1", APPROVED, signer=ada)
    load_evidence(repository, "v1", trust=trust)

    assert set(repository.fetched) == {BUNDLE}
