"""Keys of AWS KMS, over HTTP: they sign wherever a private key does, and no private key is anywhere here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kitops_orchestration.cli.main import main
from kitops_orchestration.errors import SignatureError, SigningServiceUnavailableError
from kitops_orchestration.lineage.statements import Approval
from kitops_orchestration.signing import TrustPolicy, load_public_key, load_signer


def make_key(kms: Any, spec: str = "ECC_NIST_P256", usage: str = "SIGN_VERIFY") -> str:
    return str(kms.create_key(KeySpec=spec, KeyUsage=usage)["KeyMetadata"]["KeyId"])


@pytest.mark.parametrize(
    ("spec", "algorithm"),
    [
        ("ECC_NIST_P256", "ecdsa-p256"),
        ("ECC_NIST_P384", "ecdsa-p384"),
        ("ECC_NIST_P521", "ecdsa-p521"),
        ("RSA_3072", "rsa"),
    ],
)
def test_a_kms_key_signs_what_its_public_key_verifies(kms, client, kit, spec, algorithm) -> None:
    signer = load_signer(f"awskms:///{make_key(kms, spec)}")
    assert signer.public_key.algorithm == algorithm
    result = client.sign("team/iris:v1", signer)
    assert [item.is_new for item in result.signatures] == [True, True]
    assert client.verify("team/iris:v1", key=signer.public_key).is_verified
    assert {item.form for item in client.verify("team/iris:v1", key=signer.public_key).signatures} == {
        "bundle",
        "legacy",
    }


def test_a_long_statement_is_signed_as_well(kms) -> None:
    signer = load_signer(f"awskms:///{make_key(kms)}")
    data = b"x" * 10_000  # KMS takes 4,096 bytes of a message, so the digest is sent
    assert signer.public_key.verifies(signer.sign(data), data)


@pytest.mark.parametrize("name", ["alias/release", "arn", "id"])
def test_every_way_to_name_a_key_finds_it(kms, name) -> None:
    made = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]
    if name.startswith("alias"):
        kms.create_alias(AliasName=name, TargetKeyId=made["KeyId"])
    target = {"arn": made["Arn"], "id": made["KeyId"]}.get(name, name)
    try:
        assert load_signer(f"awskms:///{target}").sign(b"words")
    finally:
        if name.startswith("alias"):
            kms.delete_alias(AliasName=name)


def test_signing_again_adds_nothing_although_the_signatures_differ(kms, client, kit) -> None:
    signer = load_signer(f"awskms:///{make_key(kms)}")
    assert signer.sign(b"the same") != signer.sign(b"the same")
    client.sign("team/iris:v1", signer)
    approval = Approval("APPROVED", environment="production", approver="ada@example.com")
    first = client.attach("team/iris:v1", approval, signer=signer)
    repository = client.repository("team/iris")
    before = repository.referrers(kit.digest)
    again = client.sign("team/iris:v1", signer)
    assert [item.is_new for item in again.signatures] == [False, False]
    second = client.attach("team/iris:v1", approval, signer=signer)
    assert (second.is_new, second.descriptor.digest) == (False, first.descriptor.digest)
    assert repository.referrers(kit.digest) == before


def test_the_list_of_files_is_signed_once(kms, client, tmp_path) -> None:
    from kitops_orchestration.signing.signed_files import sign_files

    folder = tmp_path / "iris"
    folder.mkdir()
    (folder / "weights.bin").write_bytes(b"weights")
    (folder / "Kitfile").write_text("manifestVersion: 1.0.0\npackage: {name: iris}\nmodel: {path: weights.bin}\n")
    client.pack(folder, "team/iris:v2")
    signer = load_signer(f"awskms:///{make_key(kms)}")
    repository = client.repository("team/iris")
    digest = repository.resolve("v2").digest
    first = sign_files(repository, "v2", signer)
    before = repository.referrers(digest)
    second = sign_files(repository, "v2", signer)
    assert (first.is_new, second.is_new) == (True, False)
    assert second.content == first.content
    assert repository.referrers(digest) == before


def test_the_command_line_signs_attests_approves_and_verifies(kms, client, kit, monkeypatch, tmp_path: Path) -> None:
    uri = f"awskms:///{make_key(kms)}"
    reference = f"{client.registry}/team/iris:v1"
    (tmp_path / "release.pub").write_text(load_public_key(uri).pem)
    (tmp_path / "trust.yaml").write_text(
        "version: 1\nidentities:\n  - id: ada@example.com\n    roles: [releaser, approver, tester]\n"
        "    keys: [{publicKey: release.pub}]\n"
    )
    (tmp_path / "promotion.yaml").write_text(
        "version: 1\nstages:\n  production: {checks: [{approvals: {roles: [approver], count: 1}}]}\n"
    )
    (tmp_path / "report.json").write_text('{"result": "PASSED"}')
    trust, policy = str(tmp_path / "trust.yaml"), str(tmp_path / "promotion.yaml")
    signing, judged = ["--key", uri], ["--policy", policy, "--trust", trust]
    report = ["--type", "https://example.com/report", "--predicate", str(tmp_path / "report.json")]
    commands = [
        ["sign", reference, *signing],
        ["attest", reference, *report, *signing],
        ["approve", reference, "--stage", "production", *judged, *signing],
        ["promote", reference, "--stage", "production", *judged, *signing],
        ["verify", reference, "--key", uri],
        ["verify", reference, "--key", str(tmp_path / "release.pub")],
    ]
    for command in commands:
        monkeypatch.setattr("sys.argv", ["kitctl", *command])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code in (0, None), command
    assert client.resolve("team/iris:production").digest == kit.digest


def test_an_airflow_connection_names_the_key_and_holds_none(kms, client, kit, monkeypatch) -> None:
    from airflow_kitops.hooks.kitops import KitOpsHook

    uri = f"awskms:///{make_key(kms)}"
    connection = {"conn_type": "kitops", "host": client.registry, "extra": {"signing_private_key": uri}}
    monkeypatch.setenv("AIRFLOW_CONN_KITOPS_DEFAULT", json.dumps(connection))
    hook = KitOpsHook()
    assert hook.client.sign("team/iris:v1").public_key == load_public_key(uri)


def test_a_dagster_resource_names_the_key_and_holds_none(kms, client, kit) -> None:
    from dagster_kitops import KitOpsResource
    from dagster_kitops.resources import ModelKitSignerResource

    uri = f"awskms:///{make_key(kms)}"
    resource = KitOpsResource(registry=client.registry, signer=ModelKitSignerResource(key_uri=uri))
    assert resource.get_client().sign("team/iris:v1").public_key == load_public_key(uri)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda kms: "alias/nobody", "there is no such key"),
        (lambda kms: make_key(kms, "RSA_2048", "ENCRYPT_DECRYPT"), "not one for signatures"),
        (lambda kms: make_key(kms, "ECC_SECG_P256K1"), "ECDSA on secp256k1, which is not accepted"),
        (lambda kms: make_key(kms, "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT"), "not one for signatures"),
    ],
    ids=["unknown", "encrypts", "secp256k1", "symmetric"],
)
def test_a_key_that_cannot_sign_is_told_when_it_is_opened(kms, make, words) -> None:
    with pytest.raises(SignatureError, match=words) as caught:
        load_signer(f"awskms:///{make(kms)}")
    assert caught.value.advice


def test_no_credentials_are_told_as_such(kms, monkeypatch) -> None:
    import boto3

    name = make_key(kms)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it keeps the credentials of the process's first client
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(SignatureError, match="there are no credentials for AWS") as caught:
        load_signer(f"awskms:///{name}")
    assert "AWS_PROFILE" in str(caught.value.advice)


def test_a_missing_region_is_told_as_such(kms, monkeypatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(SignatureError, match="no region"):
        load_signer("awskms:///alias/release")


def test_a_service_that_is_down_may_be_asked_again(kms, client, kit, monkeypatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", "http://127.0.0.1:9")
    with pytest.raises(SigningServiceUnavailableError, match="does not answer") as caught:
        load_signer("awskms:///alias/release")
    assert caught.value.transient


def test_a_service_that_goes_down_leaves_nothing_half_written(kms, client, kit, monkeypatch) -> None:
    from moto.server import ThreadedMotoServer

    short_lived = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    short_lived.start()
    host, port = short_lived.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", f"http://{host}:{port}")
    signer = load_signer(f"awskms:///{make_key(kms)}")
    short_lived.stop()
    with pytest.raises(SigningServiceUnavailableError):
        client.sign("team/iris:v1", signer)
    repository = client.repository("team/iris")
    assert repository.referrers(kit.digest) == []
    assert list(repository.tags()) == ["v1"]


def test_a_signature_that_does_not_verify_is_never_written(kms, client, kit, monkeypatch) -> None:
    """A service signs in another form than its public key verifies."""
    from moto.kms import utils

    signer = load_signer(f"awskms:///{make_key(kms)}")
    real = utils.ECDSAPrivateKey.sign
    monkeypatch.setattr(utils.ECDSAPrivateKey, "sign", lambda self, message, how: real(self, message + b"!", how))
    with pytest.raises(SignatureError, match="does not verify"):
        client.sign("team/iris:v1", signer)
    assert client.repository("team/iris").referrers(kit.digest) == []


def test_the_endpoint_and_the_region_may_be_in_the_name(kms, kms_endpoint, monkeypatch) -> None:
    arn = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"]
    monkeypatch.delenv("AWS_ENDPOINT_URL_KMS")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    assert load_signer(f"awskms://{kms_endpoint.removeprefix('http://')}/{arn}").sign(b"words")


def test_a_name_without_its_slashes_says_how_to_write_it(kms) -> None:
    with pytest.raises(SignatureError, match="no key is named") as caught:
        load_signer("awskms://release")
    assert "three slashes" in str(caught.value.advice)


def test_no_secret_is_in_a_message_or_a_repr(kms, monkeypatch) -> None:
    signer = load_signer(f"awskms:///{make_key(kms)}")
    assert "secret-of-the-test" not in repr(signer)
    with pytest.raises(SignatureError) as caught:
        load_signer("awskms:///alias/nobody")
    assert "secret-of-the-test" not in f"{caught.value} {caught.value.advice}"


def test_a_trust_policy_never_asks_a_service(kms, tmp_path) -> None:
    (tmp_path / "trust.yaml").write_text(
        "version: 1\nidentities:\n  - {id: ada, roles: [releaser], keys: [{publicKey: 'awskms:///alias/release'}]}\n"
    )
    with pytest.raises(SignatureError, match="cannot read the public key"):
        TrustPolicy.load(tmp_path / "trust.yaml")
