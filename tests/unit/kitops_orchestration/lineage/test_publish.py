"""Publish: the evidence is there before a tag is."""

from __future__ import annotations

from pathlib import Path

import pytest

from kitops_orchestration import KitClient
from kitops_orchestration.errors import ModelKitError, NotFoundError, RegistryError, SignatureError
from kitops_orchestration.lineage.statements.provenance import provenance
from kitops_orchestration.oci.reference import folder_registry
from kitops_orchestration.signing.keys import generate_key_pair
from kitops_orchestration.testing.builders import make_context_dir
from kitops_orchestration.testing.registry import EmbeddedRegistry


@pytest.fixture
def context_dir(tmp_path: Path) -> Path:
    return make_context_dir(tmp_path / "context")


@pytest.fixture
def signer():
    return generate_key_pair(key_format="pkcs8").signer


@pytest.fixture
def client(tmp_path: Path) -> KitClient:
    return KitClient(folder_registry(tmp_path / "registry"))


def test_a_registry_gets_the_tags_after_everything_else(context_dir, signer) -> None:
    with EmbeddedRegistry() as registry:
        client = KitClient(registry.host)
        published = client.publish(
            context_dir, "team/tiny:v1", extra_tags=["stable"], statement=provenance, signer=signer, sign=True
        )
        written = [item.path.rsplit("/", 1)[-1] for item in registry.requests if item.method == "PUT"]
    digest = str(published.pack.digest)
    manifests = [name for name in written if name in ("v1", "stable") or name.startswith("sha256")]
    assert manifests[0] == digest
    assert manifests[-2:] == ["v1", "stable"]
    assert f"{digest.replace(':', '-')}.sig" in manifests
    assert str(published.provenance.descriptor.digest) in manifests
    assert str(published.reference) == f"{registry.host}/team/tiny:v1@{digest}"


def test_a_tag_has_its_evidence(context_dir, client, signer) -> None:
    client.publish(context_dir, "team/tiny:v1", statement=provenance, signer=signer, sign=True)
    assert client.verify("team/tiny:v1", key=signer.public_key).is_verified
    assert client.lineage("team/tiny:v1").provenance is not None


def test_signing_without_a_key_packs_nothing(context_dir, client, tmp_path) -> None:
    with pytest.raises(SignatureError, match="no key"):
        client.publish(context_dir, "team/tiny:v1", sign=True)
    assert not (tmp_path / "registry").exists()


def test_what_cannot_be_said_moves_no_tag(context_dir, client) -> None:
    first = client.publish(context_dir, "team/tiny:v1")
    (context_dir / "model.bin").write_bytes(b"another")

    def refuse(packed):
        raise ModelKitError(f"nothing to say of {packed.digest}")

    with pytest.raises(ModelKitError, match="nothing to say"):
        client.publish(context_dir, "team/tiny:v1", extra_tags=["v2"], statement=refuse)
    assert client.resolve("team/tiny:v1").digest == first.pack.digest
    with pytest.raises(NotFoundError):
        client.resolve("team/tiny:v2")


def test_a_registry_that_takes_no_evidence_gets_no_tag(context_dir, signer) -> None:
    with EmbeddedRegistry() as registry:
        registry.fail_next(method="PUT", path_contains=".sig", status=403)
        client = KitClient(registry.host)
        with pytest.raises(RegistryError):
            client.publish(context_dir, "team/tiny:v1", statement=provenance, signer=signer, sign=True)
        assert "v1" not in client.tags("team/tiny")


def test_a_repeated_publish_adds_nothing(context_dir, client, signer) -> None:
    for is_new in (True, False):
        published = client.publish(context_dir, "team/tiny:v1", statement=provenance, signer=signer, sign=True)
        assert published.provenance.is_new is is_new
        assert {item.is_new for item in published.signature.signatures} == {is_new}


def test_without_a_statement_and_a_key_it_is_a_pack(context_dir, client) -> None:
    published = client.publish(context_dir, "team/tiny:v1", compression="gzip")
    assert (published.provenance, published.signature) == (None, None)
    assert published.pack.layers[0].descriptor.media_type.endswith("+gzip")
