"""The init container: KitOps' own environment, one digest from the check to the files."""

from pathlib import Path

import pytest

from kitops_orchestration.client import KitClient
from kitops_orchestration.deploy.entrypoint import DEFAULT_PATH, read_request, run
from kitops_orchestration.errors import KitOpsError, SignatureMissingError, VerificationError
from kitops_orchestration.oci.reference import folder_registry
from kitops_orchestration.settings import InitEnvironment
from kitops_orchestration.signing.keys import generate_key_pair


@pytest.fixture(scope="module")
def pair():
    return generate_key_pair(key_format="pkcs8")


@pytest.fixture
def client(tmp_path: Path) -> KitClient:
    context = tmp_path / "context"
    context.mkdir()
    (context / "weights.bin").write_text("weights")
    (context / "train.csv").write_text("data")
    (context / "Kitfile").write_text(
        "manifestVersion: 1.0.0\npackage: {name: iris}\nmodel: {path: weights.bin}\ndatasets: [{path: train.csv}]\n"
    )
    client = KitClient(folder_registry(tmp_path / "registry"))
    client.pack(context, "iris:v1")
    return client


def request_of(client, target: Path, **more):
    return read_request((), InitEnvironment(f"{client.registry}/iris:v1", str(target), **more))


def test_the_model_alone_is_unpacked_by_default(client, tmp_path):
    found = run(request_of(client, tmp_path / "out"), client.repository)

    assert [path.name for path in (tmp_path / "out").iterdir()] == ["weights.bin"]
    assert found.signers == ()


def test_filters_and_flags_are_those_of_kitops(client, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "train.csv").write_text("mine")

    run(request_of(client, tmp_path / "out", filters="datasets"), client.repository)
    assert (tmp_path / "out" / "train.csv").read_text() == "mine"
    run(request_of(client, tmp_path / "out", filters="datasets", flags="--overwrite"), client.repository)
    assert (tmp_path / "out" / "train.csv").read_text() == "data"


def test_kserve_passes_source_and_target_as_arguments(client, tmp_path):
    request = read_request((f"kit://{client.registry}/iris:v1", str(tmp_path / "models")), InitEnvironment())

    run(request, client.repository)

    assert (tmp_path / "models" / "weights.bin").read_text() == "weights"


def test_with_a_key_nothing_is_unpacked_before_the_signature_verifies(client, pair, tmp_path):
    key = tmp_path / "cosign.pub"
    key.write_text(pair.public_key.pem)

    with pytest.raises(SignatureMissingError):
        run(request_of(client, tmp_path / "out", public_key=str(key)), client.repository)
    client.sign("iris:v1", generate_key_pair(key_format="pkcs8").signer)
    with pytest.raises(VerificationError):
        run(request_of(client, tmp_path / "out", public_key=str(key)), client.repository)
    assert not (tmp_path / "out").exists()

    client.sign("iris:v1", pair.signer)

    assert run(request_of(client, tmp_path / "out", public_key=str(key)), client.repository).signers
    assert run(request_of(client, tmp_path / "again", public_key=pair.public_key.pem), client.repository).signers


@pytest.mark.parametrize(
    ("arguments", "environment", "words"),
    [
        ((), InitEnvironment(), "MODELKIT_REF is not set"),
        (("one",), InitEnvironment("r.io/a:v1"), "no arguments or two"),
        ((), InitEnvironment("r.io/a:v1", flags="--as-skill"), "--as-skill"),
        ((), InitEnvironment("r.io/a:v1", wants_keyless=True), "transparency log"),
        ((), InitEnvironment("r.io/a:v1", has_empty_key=True), "set and empty"),
        ((), InitEnvironment("not a reference"), "not a"),
    ],
)
def test_what_the_contract_does_not_know_is_refused_with_advice(arguments, environment, words):
    with pytest.raises(KitOpsError, match=words) as caught:
        read_request(arguments, environment)

    assert caught.value.advice


@pytest.mark.parametrize("name", ["COSIGN_KEY", "COSIGN_KEY_TEXT"])
def test_a_key_that_did_not_arrive_is_not_taken_for_none(monkeypatch, name):
    monkeypatch.setenv("MODELKIT_REF", "r.io/a:v1")
    monkeypatch.setenv(name, " ")

    with pytest.raises(KitOpsError, match="set and empty"):
        read_request(())


def test_the_defaults_are_those_of_kitops_image():
    request = read_request((), InitEnvironment("r.io/a:v1"))

    assert (str(request.target_dir), request.filters, request.exists) == (DEFAULT_PATH, ("model",), "ignore")
