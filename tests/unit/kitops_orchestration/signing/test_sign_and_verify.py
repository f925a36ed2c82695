from __future__ import annotations

import json

import pytest

from kitops_orchestration.errors import (
    KitOpsError,
    NotFoundError,
    SignatureError,
    SignatureMissingError,
    TagMovedError,
    VerificationError,
)
from kitops_orchestration.oci import referrers
from kitops_orchestration.oci.manifest import Index
from kitops_orchestration.signing import legacy, predicate_types
from kitops_orchestration.signing.bundle import BUNDLE, sign_statement
from kitops_orchestration.signing.sign import sign
from kitops_orchestration.signing.statement import Statement
from kitops_orchestration.signing.trust import TrustPolicy
from kitops_orchestration.signing.verify import check_signatures, verify


def attach_bundle(repository, subject, bundle, claimed=predicate_types.SIGNATURE) -> None:
    annotations = {"dev.sigstore.bundle.predicateType": claimed} if claimed else {}
    referrers.attach(repository, subject, artifact_type=BUNDLE, layers=[(bundle, BUNDLE)], annotations=annotations)


def test_a_signed_modelkit_verifies_in_both_forms(repository, put, people) -> None:
    digest = put(repository, "v1").digest
    signed = sign(repository, "v1", people.ada)

    result = verify(repository, "v1", key=people.ada.public_key)

    assert signed.digest == result.digest == digest
    assert {(item.form, item.counts) for item in result.signatures} == {("bundle", True), ("legacy", True)}
    assert json.loads(json.dumps(result.to_json()))["isVerified"]
    assert result.to_markdown().startswith("Verified")


@pytest.mark.parametrize("form", ["bundle", "legacy"])
def test_either_form_is_enough(repository, put, people, form) -> None:
    put(repository, "v1")
    sign(repository, "v1", people.ada, formats=[form])

    assert verify(repository, "v1", key=people.ada.public_key, require=form).is_verified
    other = {"bundle": "legacy", "legacy": "bundle"}[form]
    with pytest.raises(VerificationError, match=f"only the {other} form"):
        verify(repository, "v1", key=people.ada.public_key, require=other)


def test_signing_again_adds_nothing(repository, put, people) -> None:
    put(repository, "v1")
    first = sign(repository, "v1", people.ada)
    second = sign(repository, "v1", people.ada)

    assert [item.is_new for item in first.signatures] == [True, True]
    assert [item.is_new for item in second.signatures] == [False, False]
    assert [item.descriptor.digest for item in first.signatures] == [
        item.descriptor.digest for item in second.signatures
    ]
    assert len(check_signatures(repository, "v1", key=people.ada.public_key).signatures) == 2


def test_signatures_of_others_are_kept(repository, put, people) -> None:
    put(repository, "v1")
    for signer in (people.ada, people.ben):
        sign(repository, "v1", signer)

    for signer in (people.ada, people.ben):
        assert verify(repository, "v1", key=signer.public_key, require="legacy").is_verified
        assert verify(repository, "v1", key=signer.public_key, require="bundle").is_verified


def test_signatures_do_not_show_among_the_tags(repository, put, people) -> None:
    put(repository, "v1")
    sign(repository, "v1", people.ada)

    assert list(repository.tags()) == ["v1"]


def test_annotations_are_signed_in_both_forms(repository, put, people) -> None:
    put(repository, "v1")
    sign(repository, "v1", people.ada, annotations={"pipeline": "nightly"})

    assert verify(repository, "v1", key=people.ada.public_key).is_verified
    [older] = legacy.read_signatures(repository, repository.resolve("v1").digest)
    assert json.loads(older.payload)["optional"] == {"pipeline": "nightly"}


def test_what_is_not_signed_is_missing_a_signature(repository, put, people) -> None:
    put(repository, "v1")
    with pytest.raises(SignatureMissingError, match="not signed"):
        verify(repository, "v1", key=people.ada.public_key)


def test_stripped_signatures_are_missing(repository, put, people) -> None:
    put(repository, "v1", b"one")
    sign(repository, "v1", people.ada)
    put(repository, "v1", b"replaced")

    with pytest.raises(SignatureMissingError):
        verify(repository, "v1", key=people.ada.public_key)


def test_the_wrong_key_is_refused_with_every_reason(repository, put, people) -> None:
    put(repository, "v1")
    sign(repository, "v1", people.mallory)

    with pytest.raises(
        VerificationError, match=r"bundle: no key of the trust policy.*legacy: no key of the trust policy"
    ):
        verify(repository, "v1", key=people.ada.public_key)


def test_a_signature_of_another_modelkit_does_not_count(repository, put, people) -> None:
    subject, other = put(repository, "v1", b"one"), put(repository, "v2", b"two")
    sign(repository, "v2", people.ada)
    bundle = sign_statement(Statement.build(other.digest, predicate_types.SIGNATURE, {}), people.ada)
    attach_bundle(repository, subject, bundle)
    older = repository.resolve(legacy.signature_tag(other.digest))
    repository.set_tag(legacy.signature_tag(subject.digest), older)

    result = check_signatures(repository, "v1", key=people.ada.public_key)

    assert not result.is_verified
    assert {item.reason for item in result.signatures} == {
        "the statement is about another digest",
        "the signature is about another digest",
    }


@pytest.mark.parametrize("claimed", [predicate_types.SIGNATURE, None])
@pytest.mark.parametrize("decision", ["REJECTED", "APPROVED"])
def test_an_approval_or_rejection_never_passes_as_a_signature(repository, put, people, claimed, decision) -> None:
    subject = put(repository, "v1")
    predicate = {"decision": decision, "environment": "production"}
    statement = Statement.build(subject.digest, predicate_types.APPROVAL, predicate)
    attach_bundle(repository, subject, sign_statement(statement, people.ada), claimed)

    with pytest.raises(VerificationError, match="of type approval, which is not a signature"):
        verify(repository, "v1", key=people.ada.public_key)


def test_evidence_of_other_types_is_no_signature(repository, put, people) -> None:
    subject = put(repository, "v1")
    statement = Statement.build(subject.digest, predicate_types.APPROVAL, {"decision": "APPROVED"})
    attach_bundle(repository, subject, sign_statement(statement, people.ada), predicate_types.APPROVAL)

    with pytest.raises(SignatureMissingError):
        verify(repository, "v1", key=people.ada.public_key)


def test_a_broken_bundle_is_listed_and_hides_no_good_one(repository, put, people) -> None:
    subject = put(repository, "v1")
    attach_bundle(repository, subject, b'{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json"}')
    sign(repository, "v1", people.ada, formats=["bundle"])

    result = verify(repository, "v1", key=people.ada.public_key)

    assert sorted(item.counts for item in result.signatures) == [False, True]
    assert any("cannot be read" in item.reason for item in result.signatures)


def test_a_bundle_with_a_type_that_cannot_be_written_keeps_nobody_from_signing(repository, put, people) -> None:
    subject = put(repository, "v1")
    statement = Statement.build(subject.digest, predicate_types.SIGNATURE, {})
    bundle = json.loads(sign_statement(statement, people.ben))
    bundle["dsseEnvelope"]["payloadType"] = "\ud800"
    attach_bundle(repository, subject, json.dumps(bundle).encode())

    signed = sign(repository, "v1", people.ada, formats=["bundle"])

    assert [item.is_new for item in signed.signatures] == [True]
    assert verify(repository, "v1", key=people.ada.public_key).is_verified


def test_a_signature_tag_that_is_no_manifest_of_signatures_is_listed(repository, put, people) -> None:
    subject = put(repository, "v1")
    sign(repository, "v1", people.ada, formats=["bundle"])
    repository.push_manifest(Index.build([subject]), tag=legacy.signature_tag(subject.digest))

    result = verify(repository, "v1", key=people.ada.public_key)

    assert any("holds no signatures" in item.reason for item in result.signatures)


def test_a_changed_payload_does_not_verify(repository, put, people) -> None:
    from kitops_orchestration.oci.descriptor import Descriptor, Digest
    from kitops_orchestration.oci.manifest import Manifest
    from kitops_orchestration.oci.transfer.source import BytesSource

    subject = put(repository, "v1")
    sign(repository, "v1", people.ada, formats=["legacy"])
    [theirs] = legacy.read_signatures(repository, subject.digest)
    payload = theirs.payload.replace(b"null", b'{"stage":"production"}')
    layer = Descriptor(legacy.SIMPLE_SIGNING, Digest.of(payload), len(payload), theirs.descriptor.annotations)
    config = Descriptor("application/vnd.oci.image.config.v1+json", Digest.of(b"{}"), 2)
    for descriptor, data in ((layer, payload), (config, b"{}")):
        repository.push_blob(descriptor, BytesSource(data))
    repository.push_manifest(Manifest.build(config=config, layers=[layer]), tag=legacy.signature_tag(subject.digest))

    with pytest.raises(VerificationError, match="no key"):
        verify(repository, "v1", key=people.ada.public_key)


TWO = """
version: 1
identities:
  - {id: ada, roles: [releaser], keys: [{publicKey: ada.pub}, {publicKey: ada2.pub}]}
  - {id: ben, roles: [releaser], keys: [{publicKey: ben.pub}]}
rules: {signature: {roles: [releaser], threshold: 2}}
"""


def test_two_keys_of_one_person_are_one_voice(repository, put, people, write_policy) -> None:
    trust = TrustPolicy.load(write_policy(TWO))
    put(repository, "v1")
    for signer in (people.ada, people.ada2):
        sign(repository, "v1", signer)
    with pytest.raises(VerificationError, match="2 different identities"):
        verify(repository, "v1", trust=trust)

    sign(repository, "v1", people.ben)

    assert verify(repository, "v1", trust=trust).signers == ("ada", "ben")


def test_a_denied_digest_never_verifies(repository, put, people, write_policy) -> None:
    digest = put(repository, "v1").digest
    sign(repository, "v1", people.ada)
    text = TWO.replace("threshold: 2", "threshold: 1") + f'deny: ["{digest}"]\n'

    with pytest.raises(VerificationError, match="denies"):
        verify(repository, "v1", trust=TrustPolicy.load(write_policy(text)))


def test_a_policy_for_other_repositories_verifies_nothing(repository, put, people, write_policy) -> None:
    put(repository, "v1")
    sign(repository, "v1", people.ada)
    text = TWO.replace("threshold: 2", "threshold: 1") + 'repositories: ["registry.example/*"]\n'

    with pytest.raises(VerificationError, match="is not for"):
        verify(repository, "v1", trust=TrustPolicy.load(write_policy(text)))


def test_verification_without_a_key_or_policy_is_refused(repository, put) -> None:
    put(repository, "v1")
    with pytest.raises(VerificationError, match="either a key or a trust policy"):
        verify(repository, "v1")


def test_nothing_is_signed_that_is_not_there(repository, people) -> None:
    with pytest.raises(NotFoundError):
        sign(repository, "v1", people.ada)


@pytest.mark.parametrize("formats", [[], ["notation"]])
def test_an_unknown_form_is_refused(repository, put, people, formats) -> None:
    put(repository, "v1")
    with pytest.raises(SignatureError, match="form of signature"):
        sign(repository, "v1", people.ada, formats=formats)


def test_a_tag_that_moves_while_it_is_signed_is_refused(repository, put, people) -> None:
    put(repository, "v1", b"one")

    class MovesTheTag:
        public_key = people.ada.public_key

        def sign(self, data: bytes) -> bytes:
            put(repository, "v1", b"two")
            return people.ada.sign(data)

    with pytest.raises(TagMovedError):
        sign(repository, "v1", MovesTheTag())
    assert check_signatures(repository, "v1", key=people.ada.public_key).signatures == ()


def test_who_was_told_that_signing_failed_finds_no_signature(embedded_registry, people) -> None:
    from kitops_orchestration.oci.schemes import open_repository
    from kitops_orchestration.testing.builders import push_random_modelkit

    repository = open_repository(embedded_registry.reference("team/iris"))
    push_random_modelkit(repository, tag="v1")
    embedded_registry.fail_next(method="PUT", path_contains="/manifests/sha256:", status=403)
    with pytest.raises(KitOpsError):
        sign(repository, "v1", people.ada)
    assert not check_signatures(repository, "v1", key=people.ada.public_key).is_verified
