"""What cosign 3 itself wrote, in small repositories: five kinds of key in each of its forms."""

from __future__ import annotations

import pytest

from kitops_orchestration.errors import VerificationError
from kitops_orchestration.lineage.answers.questions import lineage
from kitops_orchestration.signing import predicate_types
from kitops_orchestration.signing.evidence import read_evidence
from kitops_orchestration.signing.keys import load_public_key
from kitops_orchestration.signing.trust import TrustPolicy
from kitops_orchestration.signing.verify import check_signatures, verify

SIGNED = [
    "annotated-p256",
    *(f"{form}-{kind}" for form in ("bundle", "legacy") for kind in ("p256", "p384", "p521", "rsa3072", "ed25519")),
]


@pytest.mark.parametrize("name", SIGNED)
def test_the_signature_verifies_with_its_own_key_and_with_no_other(
    cosign_vectors, put_cosign, repository, name
) -> None:
    put_cosign(repository, name)
    keys = {kind: load_public_key(pem) for kind, pem in cosign_vectors["public_keys"].items()}

    accepting = {kind for kind, key in keys.items() if check_signatures(repository, "1", key=key).is_verified}

    assert accepting == {name.partition("-")[2]}


@pytest.mark.parametrize("what", ["signature", "payload"])
@pytest.mark.parametrize("name", SIGNED)
def test_one_byte_changed_is_refused(cosign_vectors, put_cosign, repository, name, what) -> None:
    put_cosign(repository, name, change=what)
    key = load_public_key(cosign_vectors["public_keys"][name.partition("-")[2]])

    assert len(check_signatures(repository, "1", key=key).signatures) == 1
    with pytest.raises(VerificationError):
        verify(repository, "1", key=key)


def test_a_signature_that_is_a_referrer_verifies_with_its_own_key_alone(cosign_vectors, put_cosign, repository) -> None:
    put_cosign(repository, "oci11-p256")
    keys = {kind: load_public_key(pem) for kind, pem in cosign_vectors["public_keys"].items()}

    result = verify(repository, "1", key=keys["p256"])

    assert [(item.form, item.counts) for item in result.signatures] == [("oci-1-1", True)]
    assert {kind for kind, key in keys.items() if check_signatures(repository, "1", key=key).is_verified} == {"p256"}


ATTESTED = ["attest-att-slsa02", "attest-att-slsa1", "attest-bundle-slsa02", "attest-bundle-slsa1"]


@pytest.mark.parametrize("name", ATTESTED)
def test_an_attestation_counts_with_its_own_key_and_with_no_other(cosign_vectors, put_cosign, repository, name) -> None:
    digest = put_cosign(repository, name)

    for kind, pem in cosign_vectors["public_keys"].items():
        (found,) = read_evidence(repository, digest, trust=TrustPolicy.for_key(load_public_key(pem)))
        assert found.predicate_type == predicate_types.PROVENANCE
        assert found.is_verified == (kind == "p256")
        assert found.written_as == ("SLSA 0.2" if name.endswith("02") else None)
        assert found.form == ("att" if "-att-" in name else "referrer")


@pytest.mark.parametrize("what", ["signature", "payload"])
@pytest.mark.parametrize("name", [*ATTESTED, "oci11-p256"])
def test_one_byte_changed_of_any_other_form_does_not_count(cosign_vectors, put_cosign, repository, name, what) -> None:
    digest = put_cosign(repository, name, change=what)
    trust = TrustPolicy.for_key(load_public_key(cosign_vectors["public_keys"]["p256"]))

    (found,) = read_evidence(repository, digest, trust=trust)

    assert not found.is_verified
    assert found.reason
    wanted = predicate_types.SIGNATURE if name.startswith("oci11") else predicate_types.PROVENANCE
    assert found.predicate_type == wanted


def test_every_repository_of_cosign_is_in_a_test(cosign_vectors) -> None:
    assert sorted(cosign_vectors["repositories"]) == sorted([*SIGNED, *ATTESTED, "oci11-p256"])


@pytest.mark.parametrize("name", ATTESTED)
def test_lineage_shows_where_a_model_attested_by_cosign_comes_from(
    cosign_vectors, put_cosign, repository, name
) -> None:
    put_cosign(repository, name)
    trust = TrustPolicy.for_key(load_public_key(cosign_vectors["public_keys"]["p256"]))

    found = lineage(repository, "1", trust=trust)

    (build,) = found.builds
    assert build.predicate.builder_id == "https://ci.example/workflow"
    assert build.predicate.finished_on == "2026-01-01T00:10:00Z"
    assert build.predicate.external_parameters.get("parameters", build.predicate.external_parameters) == {"epochs": 3}
    assert [item.uri for item in build.predicate.dependencies] == ["s3://bucket/train.csv"]
    assert ("written as SLSA 0.2" in found.to_markdown()) == name.endswith("02")
    assert not found.not_counted


def test_what_a_trust_policy_says_of_provenance_holds_for_the_older_form(
    cosign_vectors, put_cosign, repository, write_policy, tmp_path
) -> None:
    digest = put_cosign(repository, "attest-att-slsa02")
    (tmp_path / "ci.pub").write_text(cosign_vectors["public_keys"]["p256"])
    identity = "{{id: ci, roles: [{role}], keys: [{{publicKey: ci.pub}}]}}"
    text = f"version: 1\nidentities: [{identity}]\nbuilders: ['{{builder}}']\n"

    def counts(role: str, builder: str) -> tuple[bool, str]:
        policy = TrustPolicy.load(write_policy(text.format(role=role, builder=builder)))
        (found,) = read_evidence(repository, digest, trust=policy)
        return found.is_verified, found.reason

    assert counts("builder", "https://ci.example/*")[0]
    assert not counts("approver", "https://ci.example/*")[0]
    is_verified, reason = counts("builder", "https://other.example/*")
    assert not is_verified
    assert "does not accept the builder https://ci.example/workflow" in reason
