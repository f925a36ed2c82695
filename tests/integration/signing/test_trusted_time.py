"""Time-stamps over signatures: asked of an ``openssl ts`` authority over HTTP, verified offline, attacked."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kitops_orchestration.errors import (
    ApprovalMissingError,
    SignatureError,
    SigningServiceUnavailableError,
)
from kitops_orchestration.lineage.statements import Approval
from kitops_orchestration.oci.descriptor import Descriptor, Digest
from kitops_orchestration.oci.manifest import Manifest
from kitops_orchestration.oci.schemes import open_repository
from kitops_orchestration.oci.transfer.source import BytesSource
from kitops_orchestration.promotion import PromotionPolicy
from kitops_orchestration.promotion.checks.approvals import policy_resource
from kitops_orchestration.signing import TrustPolicy, generate_key_pair, predicate_types
from kitops_orchestration.signing.bundle import Bundle, sign_statement
from kitops_orchestration.signing.statement import ResourceDescriptor, Statement
from kitops_orchestration.signing.timestamps import format_timestamp, parse_timestamp
from kitops_orchestration.signing.trusted_time.authority import TimeAuthority, proven_time
from kitops_orchestration.signing.trusted_time.stamping import StampingSigner, stamped_by

from . import time_authority

TRUST = """\
version: 1
identities:
  - id: ada@example.com
    name: Ada
    roles: [releaser, approver]
    keys: [{{publicKey: ada.pub{key}}}]
{authorities}
"""
POLICY = """\
version: 1
stages:
  production:
    checks:
      - approvals: {{roles: [approver], count: 1{more}}}
"""


@pytest.fixture
def ada() -> Any:
    return generate_key_pair(key_format="pkcs8").signer


@pytest.fixture
def write_trust(tmp_path: Path, ada: Any) -> Callable[..., TrustPolicy]:
    """Write a trust policy that knows Ada and these authorities."""

    def write(
        *authorities: time_authority.Authority, key: str = "", is_asked: bool = True, more: str = ""
    ) -> TrustPolicy:
        (tmp_path / "ada.pub").write_text(ada.public_key.pem)
        listed = [
            f"  - {{name: {item.folder.name}, certificates: {item.chain}"
            + (f", url: '{item.url}'" if is_asked else "")
            + f"{more}}}"
            for item in authorities
        ]
        text = "timestampAuthorities:\n" + "\n".join(listed) if listed else ""
        (tmp_path / "trust.yaml").write_text(TRUST.format(key=key, authorities=text))
        return TrustPolicy.load(tmp_path / "trust.yaml")

    return write


@pytest.fixture
def write_policy(tmp_path: Path) -> Callable[..., PromotionPolicy]:
    def write(more: str = "") -> PromotionPolicy:
        (tmp_path / "promotion.yaml").write_text(POLICY.format(more=more))
        return PromotionPolicy.load(tmp_path / "promotion.yaml")

    return write


def approval(policy: PromotionPolicy, said: datetime) -> Approval:
    return Approval(
        "APPROVED", environment="production", policy=policy_resource(policy), created_on=format_timestamp(said)
    )


def plan(client: Any, policy: PromotionPolicy, trust: TrustPolicy) -> SimpleNamespace:
    result = client.plan("team/iris:v1", stage="production", policy=policy, trust=trust)
    check = next(item for item in result.checks if item.id.startswith("approvals"))
    return SimpleNamespace(is_green=check.is_passed, told=check.actual)


def ages_ago(**ago: float) -> datetime:
    return (datetime.now(UTC) - timedelta(**ago)).replace(microsecond=0)


def as_it_was_signed(statement: Statement, ada: Any, stamp: Callable[[bytes], bytes]) -> bytes:
    """Return a bundle of Ada's with whatever somebody put in as its time-stamp."""
    bundle = json.loads(sign_statement(statement, ada))
    signature = base64.b64decode(bundle["dsseEnvelope"]["signatures"][0]["sig"])
    shown = base64.b64encode(stamp(signature)).decode()
    bundle["verificationMaterial"]["timestampVerificationData"] = {"rfc3161Timestamps": [{"signedTimestamp": shown}]}
    return json.dumps(bundle).encode()


STATEMENT = Statement.build("sha256:" + "0" * 64, "https://example.com/report", {"n": 1})


def proof(content: bytes, trust: TrustPolicy) -> Any:
    bundle = Bundle.parse(content)
    return proven_time(bundle.signature, bundle.timestamps, trust.time_authorities)


# ---- what works


def test_an_approval_carries_a_time_that_its_author_cannot_choose(
    client, kit, ada, authority, write_trust, write_policy
) -> None:
    trust, policy = write_trust(authority), write_policy(", trustedTime: true")
    before = datetime.now(UTC).replace(microsecond=0)
    client.approve("team/iris:v1", stage="production", policy=policy, signer=ada, trust=trust)
    authority.stop()  # verified offline
    found = client.sign_offs("team/iris:v1", trust=trust)
    (decision,) = found.to_json()["decisions"]
    evidence = decision["evidence"]
    assert evidence["timeAuthority"] == "tsa"
    assert before <= parse_timestamp(evidence["provenTime"]) <= datetime.now(UTC) + timedelta(seconds=1)
    assert f"time-stamped {evidence['provenTime']} by tsa" in decision["reason"]
    seen = plan(client, policy, trust)
    assert seen.is_green, seen.told


def test_promotions_and_signatures_are_stamped_as_well(client, kit, ada, authority, write_trust, write_policy) -> None:
    trust, policy = write_trust(authority), write_policy()
    client.approve("team/iris:v1", stage="production", policy=policy, signer=ada, trust=trust)
    client.promote("team/iris:v1", stage="production", policy=policy, signer=ada, trust=trust)
    repository = client.repository("team/iris")
    from kitops_orchestration.signing.evidence import read_evidence

    found = read_evidence(repository, kit.digest, trust=trust)
    kinds = {str(item.predicate_type).rsplit("/", 1)[-1] for item in found if item.proven.authority == "tsa"}
    assert len(found) == len([item for item in found if item.proven.moment]) >= 2, kinds
    status = [stage.to_json() for stage in client.status("team/iris", policy=policy, trust=trust)]
    assert "time-stamped by tsa" in json.dumps(status)


def test_a_checkpoint_that_says_another_time_than_its_stamp_counts_for_nothing(
    client, kit, ada, authority, write_trust
) -> None:
    """A witness dates a list ahead, so that it stays young for longer."""
    trust = write_trust(authority)
    people = tuple(replace(item, roles=frozenset({*item.roles, "witness"})) for item in trust.identities)
    trust = replace(trust, identities=people)
    policy = PromotionPolicy.parse("version: 1\ncheckpoint: {maxAgeHours: 2}\nstages: {production: {}}")
    asked = authority.asked
    made = client.checkpoint("team/iris", signer=ada, trust=trust, policy=policy)
    assert authority.asked == asked + 1
    found = client.plan("team/iris:v1", stage="production", policy=policy, trust=trust).checks[-1]
    assert found.is_passed
    assert "time-stamped by tsa" in found.actual

    ahead = format_timestamp(datetime.now(UTC) + timedelta(hours=1))
    said = replace(made.statement, version=2, issued_on=ahead)
    subject = (ResourceDescriptor(said.repository, digest={"sha256": made.root.hex}),)
    statement = Statement.of(subject, predicate_types.CHECKPOINT, said.to_json())
    dated = sign_statement(statement, StampingSigner(ada, trust.time_authorities[0]))
    repository = open_repository(made.reference.without_target())
    node = repository.fetch_manifest(made.reference.digest)
    bundle = Descriptor(node.layers[0].media_type, Digest.of(dated), len(dated))
    repository.push_blob(bundle, BytesSource(dated))
    layers = [bundle, *node.layers[1:]]
    forged = Manifest.build(config=node.config, layers=layers, artifact_type=node.artifact_type)
    repository.push_manifest(forged, tag=made.reference.tag)

    checked = client.plan("team/iris:v1", stage="production", policy=policy, trust=trust).checks[-1]
    assert not checked.is_passed
    assert "says that it is of" in checked.actual


def test_signing_again_adds_nothing_and_asks_nobody(client, kit, ada, authority, write_trust) -> None:
    trust = write_trust(authority)
    signer = StampingSigner(ada, trust.time_authorities[0])
    first, asked = client.sign("team/iris:v1", signer, formats=["bundle"]), authority.asked
    second = client.sign("team/iris:v1", signer, formats=["bundle"])
    assert ([item.is_new for item in first.signatures], [item.is_new for item in second.signatures]) == (
        [True],
        [False],
    )
    assert (asked, authority.asked) == (1, 1)


def test_a_signature_without_a_stamp_gets_one_later(client, kit, ada, authority, write_trust) -> None:
    trust = write_trust(authority)
    client.sign("team/iris:v1", ada, formats=["bundle"])
    later = client.sign("team/iris:v1", StampingSigner(ada, trust.time_authorities[0]), formats=["bundle"])
    assert [item.is_new for item in later.signatures] == [True]
    assert client.verify("team/iris:v1", trust=trust).signers == ("ada@example.com",)


def test_a_key_that_ended_since_vouches_for_what_was_stamped_before(ada, authority, write_trust, client, kit) -> None:
    open_trust = write_trust(authority)
    client.sign("team/iris:v1", StampingSigner(ada, open_trust.time_authorities[0]), formats=["bundle"])
    ended = write_trust(authority, key=", notAfter: 2099-01-01")
    in_a_century = datetime(2100, 1, 1, tzinfo=UTC)
    assert client.check_signatures("team/iris:v1", trust=ended, at=in_a_century).is_verified
    client.sign("team/iris:v1", ada, formats=["legacy"])
    legacy = client.check_signatures("team/iris:v1", trust=ended, at=in_a_century).signatures[-1]
    assert (legacy.form, legacy.counts) == ("legacy", False)


def test_the_command_line_the_connection_and_the_resource_name_an_authority(
    client, kit, ada, authority, write_trust, tmp_path, monkeypatch
) -> None:
    from airflow_kitops.hooks.kitops import KitOpsHook
    from dagster_kitops import KitOpsResource
    from dagster_kitops.resources import ModelKitSignerResource
    from kitops_orchestration.cli.main import main

    pair = generate_key_pair(key_format="pkcs8")
    (tmp_path / "ada.key").write_bytes(pair.private_pem)
    command = ["sign", f"{client.registry}/team/iris:v1", "--key", str(tmp_path / "ada.key")]
    command += ["--timestamp-url", authority.url, "--timestamp-certificates", str(authority.chain)]
    monkeypatch.setattr("sys.argv", ["kitctl", *command])
    with pytest.raises(SystemExit) as ended:
        main()
    assert (ended.value.code or 0, authority.asked) == (0, 1)
    extra = {
        "signing_private_key": pair.private_pem.decode(),
        "timestamp_url": authority.url,
        "timestamp_certificates": str(authority.chain),
    }
    connection = {"conn_type": "kitops", "host": client.registry, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_KITOPS_DEFAULT", json.dumps(connection))
    resource = ModelKitSignerResource(
        private_key_path=str(tmp_path / "ada.key"),
        timestamp_url=authority.url,
        timestamp_certificates=authority.chain.read_text(),
    )
    for other in (KitOpsHook().client, KitOpsResource(registry=client.registry, signer=resource).get_client()):
        again = other.sign("team/iris:v1", formats=["bundle"])
        assert [item.is_new for item in again.signatures] == [False]
    assert authority.asked == 1
    assert KitOpsHook().client.attest("team/iris:v1", "https://example.com/report", {"n": 1}).is_new
    assert authority.asked == 2


def test_an_authority_without_its_certificates_is_refused(ada, authority) -> None:
    with pytest.raises(SignatureError, match="one of them is missing"):
        stamped_by(ada, authority.url, None)


@pytest.mark.parametrize("url", ["tsa.example.com", "ftp://example.com/", "http://[::1", "http://example.com:99999/"])
def test_an_authority_without_an_address_is_refused(ada, authority, url) -> None:
    with pytest.raises(SignatureError, match="no address that can be asked"):
        stamped_by(ada, url, authority.chain)


def test_a_password_of_an_authority_is_neither_kept_nor_shown(authority, write_trust, tmp_path) -> None:
    with_password = "https://me:hidden@tsa.example.com/"
    assert "hidden" not in repr(TimeAuthority("tsa", (), url=with_password))
    write_trust(authority)
    text = (tmp_path / "trust.yaml").read_text()
    assert authority.url in text
    for url in (with_password, "https://me:hidden@[tsa/", "https://me@tsa.example.com"):
        (tmp_path / "trust.yaml").write_text(text.replace(authority.url, url))
        with pytest.raises(SignatureError, match="user or a password") as caught:
            TrustPolicy.load(tmp_path / "trust.yaml")
        assert "hidden" not in str(caught.value)


def test_a_chain_with_words_of_another_encoding_travels(ada, authority, write_trust, tmp_path) -> None:
    from kitops_orchestration.signing.trust_file import self_contained

    trust = write_trust(authority)
    chain = tmp_path / "chain.pem"
    chain.write_bytes("Zürich\n".encode("latin-1") + Path(authority.chain).read_bytes())
    text = (tmp_path / "trust.yaml").read_text()
    (tmp_path / "trust.yaml").write_text(text.replace(str(authority.chain), "chain.pem"))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "trust.yaml").write_bytes(self_contained(tmp_path / "trust.yaml"))
    assert TrustPolicy.load(tmp_path / "elsewhere" / "trust.yaml").digest == trust.digest


def test_a_policy_that_travels_has_the_certificates_in_it(ada, authority, write_trust, tmp_path) -> None:
    from kitops_orchestration.signing.trust_file import self_contained

    trust = write_trust(authority)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "trust.yaml").write_bytes(self_contained(tmp_path / "trust.yaml"))
    assert TrustPolicy.load(tmp_path / "elsewhere" / "trust.yaml").digest == trust.digest


def test_a_policy_without_authorities_keeps_its_digest(write_trust, authority) -> None:
    assert write_trust().digest != write_trust(authority).digest


# ---- attacks: the promise is the name, the attack is the docstring


def test_a_stamp_of_another_signature_proves_nothing(ada, authority, write_trust) -> None:
    """A good time-stamp is taken from one bundle and put into another."""
    trust = write_trust(authority)
    signer = StampingSigner(ada, trust.time_authorities[0])
    content = as_it_was_signed(STATEMENT, ada, lambda _: signer.stamp(b"another signature"))
    assert proof(content, trust).moment is None
    assert "about another signature" in proof(content, trust).problem


def test_a_stamp_of_an_untrusted_authority_proves_nothing(ada, start_authority, write_trust) -> None:
    """Somebody runs an authority of their own, with a clock of their own, under the same name."""
    good, own = start_authority("tsa"), start_authority("own")
    trust = write_trust(good)
    signer = StampingSigner(ada, write_trust(own).time_authorities[0])
    content = as_it_was_signed(STATEMENT, ada, signer.stamp)
    assert proof(content, trust).moment is None
    assert "not of this authority" in proof(content, trust).problem
    assert "does not name" in proof(content, write_trust()).problem


def test_a_certificate_that_had_expired_stamps_nothing(ada, start_authority, write_trust) -> None:
    """An old key of the authority, whose certificate has expired, stamps on."""
    expired = start_authority("tsa", ends=ages_ago(days=1))
    trust = write_trust(expired, is_asked=False)
    query = asking()
    content = as_it_was_signed(STATEMENT, ada, lambda signature: expired.reply(query(signature)))
    assert proof(content, trust).moment is None
    assert "had expired by then" in proof(content, trust).problem


def test_a_certificate_for_other_uses_stamps_nothing(ada, authority) -> None:
    """A certificate of the same authority that is not for time-stamps (no extended key usage) signs one."""
    other = time_authority.certificate(
        "web server",
        SimpleNamespace(public_key=authority.leaf.public_key),
        issuer=(authority.root, authority.root_key),
        usage=None,
        serial=authority.leaf.serial_number,
    )
    chain = authority.chain.read_bytes() + time_authority._pem(other)
    signature = b"a signature"
    stamp = authority.reply(asking(with_certificate=False)(signature))
    assert proven_time(signature, [stamp], [TimeAuthority.of(chain, name="tsa")]).problem.endswith(
        "not one for time-stamps alone)"
    )
    good = authority.chain.read_bytes() + time_authority._pem(authority.leaf)
    assert proven_time(signature, [stamp], [TimeAuthority.of(good, name="tsa")]).moment is not None


def test_a_signature_is_not_dated_back_into_the_life_of_its_key(ada, authority, write_trust, client, kit) -> None:
    """A key that ended long ago signs today, says a date when it was valid, and gets a genuine time-stamp."""
    trust = write_trust(authority, key=f", notAfter: {format_timestamp(ages_ago(days=10))}")
    said = format_timestamp(ages_ago(days=20))
    dated = Statement.build(kit.digest, "https://example.com/report", {"createdOn": said})
    client.attach("team/iris:v1", dated, signer=StampingSigner(ada, trust.time_authorities[0]))
    from kitops_orchestration.signing.evidence import read_evidence

    (found,) = read_evidence(client.repository("team/iris"), kit.digest, trust=trust, at=ages_ago(days=15))
    assert not found.is_verified
    assert "the key was valid until" in found.reason


def test_a_signature_is_not_older_than_its_key(ada, authority, write_trust, client, kit) -> None:
    """A time-stamp from before the key's own first day."""
    trust = write_trust(authority, key=", notBefore: 2099-01-01")
    client.sign("team/iris:v1", StampingSigner(ada, trust.time_authorities[0]), formats=["bundle"])
    verdict = client.check_signatures("team/iris:v1", trust=trust, at=datetime(2100, 1, 1, tzinfo=UTC))
    assert not verdict.is_verified
    assert "the key is valid from 2099-01-01" in verdict.signatures[0].reason


def test_an_authority_that_is_down_leaves_nothing_half_written(
    client, kit, ada, authority, write_trust, write_policy
) -> None:
    """The authority is taken down, so that approvals go out without a time."""
    trust, policy = write_trust(authority), write_policy()
    client.approve("team/iris:v1", stage="production", policy=policy, signer=ada, trust=trust)
    authority.status = 503
    repository = client.repository("team/iris")
    before, tags = repository.referrers(kit.digest), list(repository.tags())
    for act in (
        lambda: client.sign("team/iris:v1", StampingSigner(ada, trust.time_authorities[0])),
        lambda: client.reject("team/iris:v1", stage="production", policy=policy, signer=ada, trust=trust),
        lambda: client.promote("team/iris:v1", stage="production", policy=policy, signer=ada, trust=trust),
    ):
        with pytest.raises(SigningServiceUnavailableError, match="does not answer") as caught:
            act()
        assert caught.value.transient
    assert repository.referrers(kit.digest) == before
    assert [tag for tag in repository.tags() if tag not in tags and not tag.startswith("kitops-")] == []


def test_a_reply_to_another_request_is_refused(client, kit, ada, authority, write_trust) -> None:
    """Somebody on the way answers with an older reply of the same authority (nonce)."""
    trust = write_trust(authority)
    signer = StampingSigner(ada, trust.time_authorities[0])
    authority.replays = True
    signer.stamp(b"a signature")
    with pytest.raises(SignatureError, match="answers another request"):
        signer.stamp(b"a signature")


def test_a_reply_about_something_else_is_refused(client, kit, ada, authority, write_trust) -> None:
    """The authority, or somebody on the way, stamps something else."""
    trust = write_trust(authority)
    signer = StampingSigner(ada, trust.time_authorities[0])
    authority.replays = True
    signer.stamp(b"a signature")
    with pytest.raises(SignatureError, match=r"answers another request|about another signature"):
        client.sign("team/iris:v1", signer)
    assert client.repository("team/iris").referrers(kit.digest) == []


def test_an_approval_without_a_proven_time_does_not_count_where_one_is_demanded(
    client, kit, ada, authority, write_trust, write_policy
) -> None:
    """The approver leaves the time-stamp out."""
    trust, policy = write_trust(authority, is_asked=False), write_policy(", trustedTime: true")
    client.approve("team/iris:v1", stage="production", policy=policy, signer=ada, trust=trust)
    assert "its time is not proven" in plan(client, policy, trust).told
    with pytest.raises(ApprovalMissingError):
        client.promote("team/iris:v1", stage="production", policy=policy, signer=ada, trust=trust)


def test_an_approval_that_says_another_time_does_not_count_where_one_is_demanded(
    client, kit, ada, authority, write_trust, write_policy
) -> None:
    """The approval says last week, and is stamped today."""
    trust, policy = write_trust(authority), write_policy(", trustedTime: true")
    client.attach("team/iris:v1", approval(policy, ages_ago(days=7)), signer=ada)
    signer = StampingSigner(ada, trust.time_authorities[0])
    client.attach("team/iris:v1", approval(policy, ages_ago(days=7, seconds=1)), signer=signer)
    seen = plan(client, policy, trust)
    assert not seen.is_green
    assert "and tsa stamped it" in seen.told


def test_an_approval_that_was_held_back_is_not_fresh_by_its_stamp(
    client, kit, ada, authority, write_trust, write_policy
) -> None:
    """An old approval is kept in a drawer and stamped on the day of need."""
    trust, policy = write_trust(authority), write_policy(", maxAgeDays: 3")
    signer = StampingSigner(ada, trust.time_authorities[0])
    client.attach("team/iris:v1", approval(policy, ages_ago(days=7)), signer=signer)
    seen = plan(client, policy, trust)
    assert not seen.is_green
    assert "older than 3 days" in seen.told


def test_stamps_of_another_policy_or_another_time_of_the_authority_prove_nothing(ada, authority, write_trust) -> None:
    """The authority's key is taken after its last day in the trust policy, or used under another of its policies."""
    signer = StampingSigner(ada, write_trust(authority).time_authorities[0])
    content = as_it_was_signed(STATEMENT, ada, signer.stamp)
    assert proof(content, write_trust(authority, more=", policy: 1.2.3.4.1")).moment is not None
    assert "another policy" in proof(content, write_trust(authority, more=", policy: 1.2.3.9")).problem
    assert "believed until" in proof(content, write_trust(authority, more=", notAfter: 2020-01-01")).problem
    assert "believed from" in proof(content, write_trust(authority, more=", notBefore: 2099-01-01")).problem


@pytest.mark.parametrize("count", [2, 33])
def test_a_bundle_with_too_many_stamps_is_refused(ada, count) -> None:
    """A reader is kept busy with thousands of time-stamps."""
    bundle = json.loads(sign_statement(STATEMENT, ada))
    stamps = [
        {"signedTimestamp": base64.b64encode(b"x" * (index if count > 2 else 1)).decode()} for index in range(count)
    ]
    bundle["verificationMaterial"]["timestampVerificationData"] = {"rfc3161Timestamps": stamps}
    with pytest.raises(SignatureError, match=r"twice|at most 32"):
        Bundle.parse(json.dumps(bundle).encode())


def asking(*, with_certificate: bool = True) -> Callable[[bytes], bytes]:
    """Return what makes a request about a signature, outside of the signer."""
    from rfc3161_client import HashAlgorithm, TimestampRequestBuilder

    def query(signature: bytes) -> bytes:
        builder = TimestampRequestBuilder().data(signature).hash_algorithm(HashAlgorithm.SHA256).nonce(nonce=True)
        return builder.cert_request(cert_request=with_certificate).build().as_bytes()

    return query
