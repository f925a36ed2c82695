"""Keyless signatures: Sigstore's own mock of Fulcio, Rekor and a time-stamp authority on loopback, and attacks."""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kitops_orchestration.client import KitClient
from kitops_orchestration.errors import (
    SignatureError,
    SigningKeyMissingError,
    SigningServiceUnavailableError,
    VerificationError,
)
from kitops_orchestration.oci import referrers
from kitops_orchestration.signing import TrustPolicy, predicate_types
from kitops_orchestration.signing.bundle import BUNDLE, Bundle
from kitops_orchestration.signing.evidence import ANNOTATION_BUNDLE_PREDICATE, read_evidence
from kitops_orchestration.signing.keyless.sign import KeylessSigner
from kitops_orchestration.signing.keyless.verify import TrustedRoot, prove
from kitops_orchestration.signing.statement import Statement
from kitops_orchestration.signing.trusted_time.stamping import stamped, stamped_by
from kitops_orchestration.testing.builders import push_random_modelkit

HERE = Path(__file__).resolve().parent / "keyless"
TRAIN = "https://github.com/team/iris/.github/workflows/train.yml@refs/heads/main"
OTHER = "https://github.com/somebody/fork/.github/workflows/train.yml@refs/heads/main"
GITHUB = "https://token.actions.githubusercontent.com"
JOBS = {
    "log and stamp": (TRAIN, GITHUB, ["rekor", "tsa"]),
    "log": (TRAIN, GITHUB, ["rekor"]),
    "stamp": (TRAIN, GITHUB, ["tsa"]),
    "nothing": (TRAIN, GITHUB, []),
    "other workflow": (OTHER, GITHUB, ["rekor"]),
    "other issuer": (TRAIN, "https://login.example.com", ["rekor"]),
}


def _missing(why: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(why)
    pytest.skip(why)


@pytest.fixture(scope="session")
def issue(tmp_path_factory: pytest.TempPathFactory, installers_environment: dict[str, str]) -> Callable[[Any], Any]:
    """Start the services and have them sign, each time with keys of their own: ``issue(jobs) -> answer``."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        _missing("node and npm are not installed: apt-get install nodejs npm")
    place = tmp_path_factory.mktemp("keyless")
    for name in ("package.json", "package-lock.json", "issue.cjs"):
        shutil.copy(HERE / name, place)
    command = [str(npm), "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--cache", str(place / "cache")]
    installed = subprocess.run(command, cwd=place, capture_output=True, text=True, env=installers_environment)
    if installed.returncode:
        _missing(f"npm ci does not reach its registry: {installed.stderr[-300:]}")

    def ask(jobs: Any) -> Any:
        question = json.dumps({"jobs": jobs})
        done = subprocess.run([str(node), "issue.cjs"], cwd=place, input=question, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    ask.place = place  # type: ignore[attr-defined]  # for the one test that looks into the folder
    return ask


def jobs_about(statement: Statement) -> list[dict[str, Any]]:
    payload = base64.b64encode(statement.content).decode()
    return [
        {"payload": payload, "subject": subject, "issuer": issuer, "witnesses": witnesses}
        for subject, issuer, witnesses in JOBS.values()
    ]


@pytest.fixture(scope="session")
def issued(issue: Callable[[Any], Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What the services made about the ModelKit of ``kit``, and their trusted root."""
    client = KitClient(f"file://{tmp_path_factory.mktemp('registry')}")
    made = push_random_modelkit(client.repository("team/iris:v1"), tag="v1", seed=7).descriptor
    answer = issue(jobs_about(Statement.build(made.digest, predicate_types.SIGNATURE, {})))
    answer["bundles"] = dict(zip(JOBS, answer["bundles"], strict=True))
    answer["digest"] = made.digest
    return answer


@pytest.fixture
def root(issued: Any) -> TrustedRoot:
    return TrustedRoot.of(json.dumps(issued["trustedRoot"]).encode())


@pytest.fixture
def private_root(issued: Any) -> TrustedRoot:
    """The root of an authority that has no logs: a time-stamp alone says when."""
    return TrustedRoot.of(json.dumps(without_logs(issued["trustedRoot"])).encode())


def without_logs(root: Any) -> Any:
    return {**root, "tlogs": [], "ctlogs": []}


@pytest.fixture
def write_trust(tmp_path: Path, issued: Any) -> Callable[..., TrustPolicy]:
    def write(
        *, name: str = f"certificateIdentity: '{TRAIN}'", issuer: str = GITHUB, more: str = "", root: Any = None
    ) -> TrustPolicy:
        (tmp_path / "trusted_root.json").write_text(json.dumps(root or issued["trustedRoot"]))
        (tmp_path / "trust.yaml").write_text(
            "version: 1\ntrustedRoot: trusted_root.json\nidentities:\n"
            f"  - id: train\n    roles: [releaser]\n    {name}\n    issuer: '{issuer}'\n{more}"
        )
        return TrustPolicy.load(tmp_path / "trust.yaml")

    return write


@pytest.fixture
def attach(client: KitClient, kit: Any, issued: Any) -> Callable[[Any], None]:
    """Attach a bundle to the ModelKit, as cosign does."""
    assert kit.digest == issued["digest"]

    def put(bundle: Any) -> None:
        referrers.attach(
            client.repository("team/iris"),
            kit,
            artifact_type=BUNDLE,
            layers=[(json.dumps(bundle).encode(), BUNDLE)],
            annotations={ANNOTATION_BUNDLE_PREDICATE: predicate_types.SIGNATURE},
        )

    return put


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("something was fetched")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def parsed(bundle: Any) -> Bundle:
    return Bundle.parse(json.dumps(bundle).encode())


def changed(bundle: Any, *path: Any, to: Any) -> Any:
    """Return the bundle with one member replaced; ``to`` may be a function of what was there."""
    copy = json.loads(json.dumps(bundle))
    place = copy
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = to(place[path[-1]]) if callable(to) else to
    return copy


def flipped(text: str) -> str:
    content = bytearray(base64.b64decode(text))
    content[len(content) // 2] ^= 1
    return base64.b64encode(bytes(content)).decode()


# ---- what works


@pytest.mark.parametrize("kind", ["log and stamp", "log", "stamp"])
def test_a_workflow_vouches_without_a_key(client, kit, issued, attach, write_trust, no_network, kind) -> None:
    attach(issued["bundles"][kind])
    trust = write_trust(root=without_logs(issued["trustedRoot"]) if kind == "stamp" else None)
    verdict = client.verify("team/iris:v1", trust=trust)
    assert verdict.signers == ("train",)
    how = "a time-stamp" if kind == "stamp" else "an entry of the transparency log"
    assert f"signed by train, keyless, proven by {how}" in verdict.signatures[0].reason
    (found,) = read_evidence(client.repository("team/iris"), kit.digest, trust=trust)
    assert (found.proven.moment is not None) == ("stamp" in kind)


def test_a_pattern_fits_the_whole_name(client, kit, issued, attach, write_trust) -> None:
    attach(issued["bundles"]["log"])
    start = r"https://github\.com/team/iris/\.github/workflows/"
    whole = write_trust(name=f"certificateIdentityPattern: '{start}[a-z]+\\.yml@refs/heads/main'")
    assert client.check_signatures("team/iris:v1", trust=whole).is_verified
    part = write_trust(name=f"certificateIdentityPattern: '{start}'")
    assert not client.check_signatures("team/iris:v1", trust=part).is_verified


def test_a_person_may_have_a_key_and_a_certificate_and_is_one_voice(
    client, kit, issued, attach, write_trust, tmp_path
) -> None:
    from kitops_orchestration.signing import generate_key_pair

    signer = generate_key_pair(key_format="pkcs8").signer
    (tmp_path / "train.pub").write_text(signer.public_key.pem)
    rules = "    keys: [{publicKey: train.pub}]\nrules:\n  signature: {roles: [releaser], threshold: 2}\n"
    trust = write_trust(more=rules)
    attach(issued["bundles"]["log"])
    client.sign("team/iris:v1", signer)
    verdict = client.check_signatures("team/iris:v1", trust=trust)
    assert (verdict.is_verified, verdict.signers) == (False, ("train",))


def test_a_policy_that_travels_has_the_root_in_it(issued, write_trust, tmp_path) -> None:
    from kitops_orchestration.signing.trust_file import self_contained

    trust = write_trust()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "trust.yaml").write_bytes(self_contained(tmp_path / "trust.yaml"))
    assert TrustPolicy.load(tmp_path / "elsewhere" / "trust.yaml").digest == trust.digest


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("certificateIdentity: x", "issuer are not both text"),
        ("issuer: https://example.com, keys: []", "has no key"),
        ("certificateIdentity: x, issuer: y", "needs a trustedRoot"),
        ("certificateIdentityPattern: '(', issuer: y", "no regular expression"),
    ],
)
def test_half_an_identity_is_refused(tmp_path, text, words) -> None:
    (tmp_path / "trust.yaml").write_text(f"version: 1\nidentities:\n  - {{id: train, roles: [releaser], {text}}}\n")
    with pytest.raises(SignatureError, match=words):
        TrustPolicy.load(tmp_path / "trust.yaml")


def test_a_key_is_verified_without_sigstores_library() -> None:
    names = "evidence, verify, trust_file"
    code = f"import sys; from kitops_orchestration.signing import {names}; print('sigstore' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


# ---- attacks: the promise is the name, the attack is the docstring


def test_another_workflow_does_not_vouch(client, kit, issued, attach, write_trust) -> None:
    """A fork's workflow signs, with a genuine certificate of its own."""
    attach(issued["bundles"]["other workflow"])
    verdict = client.check_signatures("team/iris:v1", trust=write_trust())
    assert not verdict.is_verified
    assert f"nobody in the trust policy is {OTHER}" in verdict.signatures[0].reason


def test_another_issuer_does_not_vouch_for_the_same_name(client, kit, issued, attach, write_trust) -> None:
    """Another identity provider gives somebody a certificate with the workflow's name."""
    attach(issued["bundles"]["other issuer"])
    verdict = client.check_signatures("team/iris:v1", trust=write_trust())
    assert not verdict.is_verified
    assert "login.example.com" in verdict.signatures[0].reason


def test_a_certificate_that_fits_two_identities_counts_for_neither(client, kit, issued, attach, write_trust) -> None:
    """A pattern of one identity fits what another one is named exactly: whose voice is it?"""
    more = f"  - id: any\n    roles: [releaser]\n    certificateIdentityPattern: '.*'\n    issuer: '{GITHUB}'\n"
    attach(issued["bundles"]["log"])
    verdict = client.check_signatures("team/iris:v1", trust=write_trust(more=more))
    assert not verdict.is_verified
    assert "several identities" in verdict.signatures[0].reason


def test_a_workflow_vouches_only_in_its_roles(client, kit, issued, attach, write_trust) -> None:
    """The workflow that may release signs an approval."""
    trust = write_trust()
    bundle = issued["bundles"]["log"]
    proof = prove(parsed(bundle), trust.trusted_root)
    assert trust.judge_certificate(proof, predicate_types.SIGNATURE).counts
    is_verified = trust.judge_certificate(proof, predicate_types.APPROVAL).counts
    assert not is_verified


def test_a_certificate_without_a_time_that_is_proven_is_refused(issued, root, private_root) -> None:
    """The certificate lives for ten minutes; whoever finds its key later signs with neither log nor time-stamp."""
    bundle = parsed(issued["bundles"]["nothing"])
    with pytest.raises(VerificationError, match="nothing proves when"):
        prove(bundle, private_root)
    with pytest.raises(VerificationError, match="no log entry"):
        prove(bundle, root)


@pytest.mark.parametrize("kind", ["log", "stamp"])
@pytest.mark.parametrize(
    "path",
    [("dsseEnvelope", "payload"), ("dsseEnvelope", "signatures", 0, "sig")],
    ids=["payload", "signature"],
)
def test_a_keyless_bundle_that_was_changed_is_refused(issued, root, private_root, kind, path) -> None:
    """One bit of the statement, or of the signature, is another."""
    believed = private_root if kind == "stamp" else root
    assert prove(parsed(issued["bundles"][kind]), believed)
    with pytest.raises(VerificationError):
        prove(parsed(changed(issued["bundles"][kind], *path, to=flipped)), believed)


@pytest.mark.parametrize("member", ["inclusionPromise", "canonicalizedBody", "inclusionProof", "integratedTime"])
def test_a_log_entry_that_was_changed_is_refused(issued, root, member) -> None:
    """Another entry, another time of it, or no proof that the log has it."""
    entry = ("verificationMaterial", "tlogEntries", 0)
    change: Any = {
        "inclusionPromise": lambda was: {"signedEntryTimestamp": flipped(was["signedEntryTimestamp"])},
        "canonicalizedBody": flipped,
        "inclusionProof": None,
        "integratedTime": lambda was: str(int(was) - 60),
    }[member]
    with pytest.raises(VerificationError):
        prove(parsed(changed(issued["bundles"]["log"], *entry, member, to=change)), root)


def test_a_log_entry_or_a_stamp_of_another_bundle_proves_nothing(issued, root, private_root) -> None:
    """The time of another signature is put beside this one."""
    good, nothing = issued["bundles"]["log and stamp"], issued["bundles"]["nothing"]
    for member in ("tlogEntries", "timestampVerificationData"):
        material = {**nothing["verificationMaterial"], member: good["verificationMaterial"][member]}
        borrowed = changed(nothing, "verificationMaterial", to=material)
        for believed in (root, private_root):
            with pytest.raises(VerificationError):
                prove(parsed(borrowed), believed)


def test_a_certificate_of_another_authority_is_refused(issue, issued, root, private_root) -> None:
    """Somebody runs a Fulcio, a log and a time-stamp authority of their own, which say what they are told to say."""
    own = issue(jobs_about(Statement.build(issued["digest"], predicate_types.SIGNATURE, {})))
    for bundle in own["bundles"]:
        for believed in (root, private_root):
            with pytest.raises(VerificationError):
                prove(parsed(bundle), believed)


def test_the_certificate_of_somebody_else_is_refused(issued, root, private_root) -> None:
    """A signature with one certificate, shown with that of another workflow."""
    for kind in ("log", "stamp"):
        other = issued["bundles"]["other workflow"]["verificationMaterial"]["certificate"]
        swapped = changed(issued["bundles"][kind], "verificationMaterial", "certificate", to=other)
        with pytest.raises(VerificationError):
            prove(parsed(swapped), private_root if kind == "stamp" else root)


def test_the_log_cannot_be_left_out_where_the_root_names_one(issued, root) -> None:
    """Take the log entry out of a bundle that has a time-stamp as well, so that nobody can watch the authority."""
    bundle = issued["bundles"]["log and stamp"]
    with pytest.raises(SignatureError, match="none of signatures"):
        TrustedRoot.of(json.dumps({**issued["trustedRoot"], "tlogs": []}).encode())
    for logs in ({}, {"ctlogs": []}):
        believed = TrustedRoot.of(json.dumps({**issued["trustedRoot"], **logs}).encode())
        with pytest.raises(VerificationError, match="no log entry"):
            prove(parsed(changed(bundle, "verificationMaterial", "tlogEntries", to=[])), believed)
    assert prove(parsed(bundle), root).how == "an entry of the transparency log"


@pytest.mark.parametrize("kind", ["log and stamp", "log", "stamp"])
def test_an_authority_that_the_root_believes_no_more_gives_no_certificates(issued, kind) -> None:
    """The key of an authority that was replaced (validFor of the trusted root) signs a certificate of today."""
    mine = issued["trustedRoot"] if kind != "stamp" else without_logs(issued["trustedRoot"])
    old = {"start": "2020-01-01T00:00:00Z", "end": "2021-01-01T00:00:00Z"}
    assert prove(parsed(issued["bundles"][kind]), TrustedRoot.of(json.dumps(mine).encode()))
    believed = TrustedRoot.of(json.dumps(changed(mine, "certificateAuthorities", 0, "validFor", to=old)).encode())
    with pytest.raises(VerificationError, match="believes no authority"):
        prove(parsed(issued["bundles"][kind]), believed)


def crafted(kind: str) -> bytes:
    """Return a certificate that anybody can make, and that the libraries stumble over."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, nobody = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    made = x509.CertificateBuilder().subject_name(nobody).issuer_name(nobody).public_key(key.public_key())
    made = (
        made.serial_number(5)
        .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2027, 1, 1, tzinfo=UTC))
    )
    unknown = {"duplicate": ("1.2.3.4.5", "1.2.3.4.6"), "name of X.400": ("2.5.29.17",)}.get(kind, ())
    content = bytes.fromhex("3004a3023000") if kind == "name of X.400" else b"\x05\x00"
    for oid in unknown:
        made = made.add_extension(x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), content), critical=False)
    der = made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
    if kind == "version":
        return der.replace(bytes.fromhex("a003020102"), bytes.fromhex("a003020109"))
    return der.replace(bytes.fromhex("06042a030406"), bytes.fromhex("06042a030405"))


@pytest.mark.parametrize("kind", ["version", "duplicate", "name of X.400", "no extension"])
def test_a_certificate_that_nobody_can_read_stops_nobody(client, kit, issued, attach, write_trust, kind) -> None:
    """Attach an unsigned bundle with a certificate of one's own that the libraries raise other errors about."""
    attach(issued["bundles"]["log"])
    certificate = base64.b64encode(crafted(kind)).decode()
    for name in ("log", "stamp", "nothing"):
        path = ("verificationMaterial", "certificate", "rawBytes")
        attach(changed(issued["bundles"][name], *path, to=certificate))
    for logs in ({}, {"tlogs": [], "ctlogs": []}):
        verdict = client.check_signatures("team/iris:v1", trust=write_trust(root={**issued["trustedRoot"], **logs}))
        assert len(verdict.signatures) == 4
        assert sum(item.counts for item in verdict.signatures) == (not logs)
    assert client.verify("team/iris:v1", trust=write_trust()).signers == ("train",)


def test_a_keyless_signature_counts_for_nothing_where_nobody_is_named(client, kit, issued, attach) -> None:
    """A keyless signature of anybody, and a trust policy that knows keys alone."""
    from kitops_orchestration.signing import generate_key_pair

    attach(issued["bundles"]["log"])
    only_keys = TrustPolicy.for_key(generate_key_pair(key_format="pkcs8").public_key)
    verdict = client.check_signatures("team/iris:v1", trust=only_keys)
    assert not verdict.is_verified
    assert "names no certificateIdentity" in verdict.signatures[0].reason


# ---- signing


@pytest.fixture
def services(issue: Callable[[Any], Any], tmp_path: Path) -> Iterator[Any]:
    """Fulcio and Rekor that stay, and a client trust configuration that names them; read ``url`` and ``config``."""
    place = issue.place  # type: ignore[attr-defined]  # set where `issue` is made
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([str(shutil.which("node")), "issue.cjs", "serve"], cwd=place, **pipes) as process:
        answer = json.loads(process.stdout.readline())
        (service,) = answer["trustedRoot"]["tlogs"]
        valid = {"start": service["publicKey"]["validFor"]["start"]}
        named = {"url": answer["url"], "majorApiVersion": 1, "validFor": valid, "operator": "example"}
        signing = {
            "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
            "caUrls": [named],
            "oidcUrls": [],
            "rekorTlogUrls": [named],
            "rekorTlogConfig": {"selector": "ANY"},
            "tsaUrls": [],
            "tsaConfig": {"selector": "ANY"},
        }
        (tmp_path / "trusted_root.json").write_text(json.dumps(answer["trustedRoot"]))
        config = {
            "mediaType": "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json",
            "trustedRoot": answer["trustedRoot"],
            "signingConfig": signing,
        }
        (tmp_path / "config.json").write_text(json.dumps(config))
        yield SimpleNamespace(url=answer["url"], config=tmp_path / "config.json", stop=process.stdin.close)
        if not process.stdin.closed:
            process.stdin.close()
        process.wait(10)


@pytest.fixture
def in_workflow(monkeypatch: pytest.MonkeyPatch) -> None:
    """GitLab's way to hand out an identity: a variable with a token."""

    def part(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    now = int(time.time())
    claims = {"sub": TRAIN, "iss": GITHUB, "aud": "sigstore", "iat": now, "exp": now + 300}
    monkeypatch.setenv("GITLAB_CI", "true")
    monkeypatch.setenv("SIGSTORE_ID_TOKEN", f"{part({'alg': 'none'})}.{part(claims)}.{part({})}")


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GITLAB_CI", "SIGSTORE_ID_TOKEN", "GITHUB_ACTIONS", "BUILDKITE", "CIRCLECI"):
        monkeypatch.delenv(name, raising=False)


def run_kitctl(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    from kitops_orchestration.cli.main import main

    monkeypatch.setattr("sys.argv", ["kitctl", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_a_workflow_signs_and_attests_without_a_key(client, kit, services, in_workflow, monkeypatch, tmp_path) -> None:
    reference, key = f"{client.registry}/team/iris:v1", f"keyless:{services.config}"
    (tmp_path / "report.json").write_text('{"n": 1}')
    report = ("--type", "https://example.com/report", "--predicate", str(tmp_path / "report.json"))
    (tmp_path / "trust.yaml").write_text(
        "version: 1\ntrustedRoot: trusted_root.json\nidentities:\n  - id: train\n    roles: [releaser]\n"
        f"    certificateIdentity: '{TRAIN}'\n    issuer: '{GITHUB}'\n"
        "rules:\n  https://example.com/report: {roles: [releaser]}\n"
    )
    for _ in range(2):
        assert run_kitctl(monkeypatch, "sign", reference, "--key", key) == 0
        assert run_kitctl(monkeypatch, "attest", reference, *report, "--key", key) == 0
    services.stop()
    found = read_evidence(client.repository("team/iris"), kit.digest, trust=TrustPolicy.load(tmp_path / "trust.yaml"))
    assert [(item.is_verified, item.signer) for item in found] == [(True, "train")] * 2  # a retry added nothing


def test_outside_of_a_workflow_there_is_nobody_to_sign_as(client, kit, services, outside) -> None:
    with pytest.raises(SigningKeyMissingError, match="no identity to sign with"):
        client.sign("team/iris:v1", KeylessSigner.of(services.config))


def test_services_that_are_down_leave_nothing_half_written(client, kit, services, in_workflow) -> None:
    signer = KeylessSigner.of(services.config)
    services.stop()
    time.sleep(0.5)
    with pytest.raises(SigningServiceUnavailableError):
        client.sign("team/iris:v1", signer)
    assert client.repository("team/iris").referrers(kit.digest) == []


@pytest.mark.parametrize("where", ["airflow", "dagster"])
def test_a_connection_and_a_resource_sign_as_the_workflow(
    client, kit, services, in_workflow, monkeypatch, tmp_path, where
) -> None:
    (tmp_path / "trust.yaml").write_text(
        "version: 1\ntrustedRoot: trusted_root.json\nidentities:\n  - id: train\n    roles: [releaser]\n"
        f"    certificateIdentity: '{TRAIN}'\n    issuer: '{GITHUB}'\n"
    )
    name = f"keyless:{services.config}"
    if where == "airflow":
        pytest.importorskip("airflow")
        from airflow_kitops.hooks.kitops import KitOpsHook

        extra = {"signing_private_key": name, "insecure": True}
        value = {"conn_type": "kitops", "host": str(client.registry), "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_KITOPS_DEFAULT", json.dumps(value))
        signer = KitOpsHook().signer
    else:
        pytest.importorskip("dagster")
        from dagster_kitops import ModelKitSignerResource

        signer = ModelKitSignerResource(key_uri=name).get_signer()
    assert isinstance(signer, KeylessSigner)
    authority = SimpleNamespace(url="http://127.0.0.1:1", name="nobody")
    assert stamped(signer, [authority]) is signer
    with pytest.raises(SignatureError, match="its log says when"):
        stamped_by(signer, "http://127.0.0.1:1", "chain.pem")
    client.sign("team/iris:v1", signer)
    report = client.verify("team/iris:v1", trust=TrustPolicy.load(tmp_path / "trust.yaml"))
    assert report.signers == ("train",)


def test_people_decide_with_keys(services, in_workflow) -> None:
    with pytest.raises(SignatureError, match="has no key of its own"):
        KeylessSigner.of(services.config).public_key  # noqa: B018 - asking is the test


def test_something_else_is_no_configuration(tmp_path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(SignatureError, match="no client trust configuration"):
        KeylessSigner.of(tmp_path / "config.json")
