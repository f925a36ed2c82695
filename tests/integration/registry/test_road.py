"""The whole road over HTTP against Debian's docker-registry, open and with credentials."""

from __future__ import annotations

from pathlib import Path

import pytest

from kitops_orchestration import KitClient
from kitops_orchestration.errors import AuthenticationError, NotFoundError
from kitops_orchestration.lineage.statements import DeploymentTarget
from kitops_orchestration.oci.auth.credentials import Credential, StaticCredentials
from kitops_orchestration.oci.reference import folder_registry
from kitops_orchestration.oci.referrers import fallback_tag


@pytest.fixture(params=["docker_registry", "docker_registry_with_auth"])
def registry(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def client(registry) -> KitClient:
    credentials = StaticCredentials({})
    if registry.username:
        credentials = StaticCredentials({registry.host: Credential(registry.username, registry.password)})
    return KitClient(registry.host, credentials=credentials)


@pytest.fixture
def context(tmp_path: Path) -> Path:
    folder = tmp_path / "context"
    (folder / "data").mkdir(parents=True)
    (folder / "weights.bin").write_bytes(b"w" * 300_000)
    (folder / "data" / "train.csv").write_text("a,b\n1,2\n")
    (folder / "Kitfile").write_text(
        "manifestVersion: 1.0.0\npackage: {name: iris, version: 1.0.0}\n"
        "model: {name: iris, path: weights.bin}\ndatasets: [{name: train, path: data}]\n"
    )
    return folder


def test_pack_push_tag_copy_promote_ask_pull_and_unpack(client, context, repository_name, tmp_path):
    dev, prod = f"{repository_name}/dev", f"{repository_name}/prod"

    packed = client.pack(context, f"{dev}:v1")
    assert client.pack(context, f"{dev}:v1").uploaded_bytes == 0
    assert client.resolve(f"{dev}:v1").digest == packed.digest
    client.tag(f"{dev}:v1", "candidate")
    assert client.tags(dev) == ["candidate", "v1"]

    promoted = client.promote(packed.reference, stage="production", destination=prod)
    assert promoted.digest == packed.digest
    assert promoted.copy.bytes_moved == 0, "within one registry blobs are mounted"
    assert promoted.copy.blobs_mounted == 3

    place = DeploymentTarget("kubernetes", "iris", cluster="eu")
    client.record_deployment(f"{prod}:production", "production", place)
    assert [item.reference.digest for item in client.where_deployed(prod).running] == [packed.digest]
    lineage = client.lineage(f"{prod}:production")
    assert [item.predicate.to_stage for item in lineage.promotions] == ["production"]
    assert client.repository(prod).resolve(fallback_tag(packed.digest)), "2.8 has no referrers API"
    assert fallback_tag(packed.digest) not in client.tags(prod)

    pulled = client.pull(f"{prod}:production", f"{folder_registry(tmp_path / 'local')}/iris:v1", referrers=True)
    assert pulled.reference.digest == packed.digest
    assert client.lineage(pulled.reference).promotions
    unpacked = client.unpack(f"{prod}:production", tmp_path / "out", filters=["model"])
    assert sorted(path.name for path in unpacked.target_dir.rglob("*")) == ["weights.bin"]
    assert (tmp_path / "out" / "weights.bin").read_bytes() == b"w" * 300_000


def test_what_is_not_there_is_one_error_that_names_it(client, repository_name):
    with pytest.raises(NotFoundError) as caught:
        client.resolve(f"{repository_name}:v9")

    assert repository_name in str(caught.value)
    assert caught.value.advice


def test_wrong_credentials_are_one_error_without_the_secret(docker_registry_with_auth, repository_name):
    wrong = StaticCredentials({docker_registry_with_auth.host: Credential("ada", "not-the-password")})
    client = KitClient(docker_registry_with_auth.host, credentials=wrong)

    with pytest.raises(AuthenticationError) as caught:
        client.tags(repository_name)

    assert caught.value.advice
    assert "not-the-password" not in f"{caught.value} {caught.value.advice} {client!r} {wrong!r}"
