"""Signatures and evidence on every medium: with the referrers API, with fallback tags, in a folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kitops_orchestration.lineage.answers.deployment import record_deployment, where_deployed
from kitops_orchestration.lineage.answers.questions import lineage
from kitops_orchestration.lineage.answers.timeline import timeline
from kitops_orchestration.lineage.statements import Approval, DeploymentTarget, TestResult
from kitops_orchestration.lineage.statements.attach import attach, load_evidence
from kitops_orchestration.oci import media_types
from kitops_orchestration.oci.copying.graph import copy
from kitops_orchestration.oci.manifest import Index
from kitops_orchestration.oci.referrers import fallback_tag
from kitops_orchestration.oci.repository import Repository
from kitops_orchestration.signing.bundle import BUNDLE
from kitops_orchestration.signing.directory import verify_directory
from kitops_orchestration.signing.keys import LocalSigner, generate_key_pair
from kitops_orchestration.signing.sign import sign
from kitops_orchestration.signing.signed_files import read_files, sign_files
from kitops_orchestration.signing.trust import TrustPolicy
from kitops_orchestration.signing.verify import verify
from kitops_orchestration.testing.builders import push_random_modelkit

APPROVED = Approval("APPROVED", "production", created_on="2026-03-01T10:00:00Z")
PLACE = DeploymentTarget("kserve", "iris", cluster="eu-1")


@pytest.fixture(scope="module")
def signer() -> LocalSigner:
    return generate_key_pair(key_format="pkcs8").signer


@pytest.fixture(scope="module")
def trust(signer) -> TrustPolicy:
    return TrustPolicy.for_key(signer.public_key)


def test_what_is_signed_and_attached_is_found_and_verifies(repository: Repository, signer, trust) -> None:
    digest = push_random_modelkit(repository, tag="v1").descriptor.digest
    for _ in range(2):  # a retry adds nothing
        sign(repository, "v1", signer)
        attach(repository, "v1", APPROVED, signer=signer)
        attach(repository, "v1", TestResult("PASSED"))

    found = load_evidence(repository, "v1", trust=trust)

    assert sorted((item.is_signed, item.is_verified) for item in found) == [(False, False), (True, True), (True, True)]
    assert {(item.form, item.counts) for item in verify(repository, "v1", trust=trust).signatures} == {
        ("bundle", True),
        ("legacy", True),
    }
    assert lineage(repository, digest, trust=trust).approvals[0].predicate == APPROVED
    assert list(repository.tags()) == ["v1"]


def test_places_and_their_history_are_answered(repository: Repository, signer, trust) -> None:
    for number in (1, 2):
        push_random_modelkit(repository, tag=f"v{number}", seed=number)
        record_deployment(
            repository, f"v{number}", "production", PLACE, signer=signer, deployed_on=f"2026-03-0{number}T10:00:00Z"
        )
    [running] = where_deployed(repository, trust=trust).running
    assert running.reference.target == repository.resolve("v2").digest

    record_deployment(
        repository, "v2", "production", PLACE, action="undeployed", signer=signer, deployed_on="2026-03-03T10:00:00Z"
    )

    assert where_deployed(repository, trust=trust).running == ()
    kinds = [event.summary for event in timeline(repository, trust=trust).events if event.kind == "deployment"]
    assert kinds == ["deployed: production, iris"] * 2 + ["undeployed: production, iris"]


def test_the_index_of_another_tool_is_read_whatever_it_says_of_types(repository: Repository, signer, trust) -> None:
    """cosign writes the type of the empty config into the fallback index, and drops annotations."""
    subject = push_random_modelkit(repository, tag="v1").descriptor
    attach(repository, "v1", APPROVED, signer=signer)
    listed = repository.referrers(subject.digest)
    wrong = [replace(item, artifact_type=media_types.EMPTY_JSON, annotations={}) for item in listed]
    repository.push_manifest(Index.build(wrong), tag=fallback_tag(subject.digest))

    [evidence] = load_evidence(repository, "v1", trust=trust)

    assert evidence.is_verified
    assert evidence.descriptor.artifact_type == BUNDLE


def test_evidence_travels_with_a_copy(repository: Repository, tmp_path: Path, signer, trust) -> None:
    from kitops_orchestration.oci.layout import LayoutRepository
    from kitops_orchestration.oci.reference import Reference, folder_registry

    push_random_modelkit(repository, tag="v1")
    sign(repository, "v1", signer)
    attach(repository, "v1", APPROVED, signer=signer)
    elsewhere = LayoutRepository(Reference.parse(f"{folder_registry(tmp_path / 'usb-stick')}/team/iris"))

    copy(repository, "v1", elsewhere, tag="v1", referrers=True)

    assert verify(elsewhere, "v1", trust=trust, require="bundle").is_verified
    assert lineage(elsewhere, "v1", trust=trust).approvals[0].evidence.is_verified


def test_an_unpacked_modelkit_verifies_by_the_signature_beside_it(
    repository: Repository, tmp_path: Path, signer, trust
) -> None:
    from kitops_orchestration.modelkit.pack import pack
    from kitops_orchestration.modelkit.unpack import unpack
    from kitops_orchestration.testing.builders import make_context_dir

    packed = pack(make_context_dir(tmp_path / "context"), repository, tag="v1")
    signed = sign_files(repository, "v1", signer)
    unpack(repository, "v1", tmp_path / "out")

    result = verify_directory(tmp_path / "out", signed.content, trust=trust)

    assert result.is_verified, result.reason
    assert read_files(repository, packed.digest, trust=trust).is_bound
    (tmp_path / "out" / "model.bin").write_bytes(b"other")
    assert verify_directory(tmp_path / "out", signed.content, trust=trust).changes.changed == ("model.bin",)
