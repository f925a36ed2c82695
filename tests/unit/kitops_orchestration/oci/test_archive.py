"""The archive medium: whole or not at all, the same bytes for the same content, and never trusted."""

import hashlib
import io
import os
import tarfile
from dataclasses import replace

import pytest
import yaml

from kitops_orchestration.client import KitClient
from kitops_orchestration.errors import (
    DigestMismatchError,
    ModelKitError,
    NotFoundError,
    PromotionError,
    RegistryResponseError,
    VerificationError,
)
from kitops_orchestration.oci.archive import ArchiveRepository
from kitops_orchestration.oci.layout import LayoutRepository
from kitops_orchestration.oci.reference import Reference, folder_registry
from kitops_orchestration.oci.referrers import attach
from kitops_orchestration.promotion.air_gap import load, save, trust_of
from kitops_orchestration.signing.keys import generate_key_pair
from kitops_orchestration.signing.sign import sign
from kitops_orchestration.signing.trust import TrustPolicy
from kitops_orchestration.testing.builders import push_random_modelkit, tar_header


def layout(folder, name):
    return LayoutRepository(Reference.parse(f"{folder_registry(folder)}/{name}"))


@pytest.fixture
def source(tmp_path):
    repository = layout(tmp_path / "origin", "iris")
    built = push_random_modelkit(repository, tag="v1", layers=3)
    first = attach(
        repository, built.descriptor, artifact_type="a/b", layers=[(b"evidence", "a/b")], annotations={"x": "y"}
    )
    attach(repository, first.descriptor, artifact_type="a/c", layers=[(b"about it", "a/c")], annotations={})
    return repository


@pytest.mark.needs("signing")
def test_what_was_exported_arrives_with_all_evidence_and_the_same_digests(source, tmp_path):
    trust = tmp_path / "trust.yaml"
    key = generate_key_pair(key_format="pkcs8").public_key.pem
    (tmp_path / "ada.pub").write_text(key)
    trust.write_text("version: 1\nidentities: [{id: ada, roles: [releaser], keys: [{publicKey: ada.pub}]}]\n")
    archive = tmp_path / "out.tar"

    exported = save([(source, "v1")], archive, trust_path=trust)
    arrived = layout(tmp_path / "inside", "iris")
    (imported,) = load(archive, lambda origin: arrived)

    digest = source.resolve("v1").digest
    assert imported.reference.digest == exported.references[0].digest == digest
    assert arrived.resolve("v1").digest == digest
    assert [item.artifact_type for item in arrived.referrers(digest)] == ["a/b"]
    assert [item.artifact_type for item in arrived.referrers(arrived.referrers(digest)[0].digest)] == ["a/c"]
    assert exported.referrers == 2
    assert yaml.safe_load(trust_of(archive))["identities"][0]["keys"] == [{"publicKey": key}], "no file is left behind"
    for blob in arrived.fetch_manifest("v1").blobs:
        with arrived.fetch_blob(blob) as stream:
            assert hashlib.sha256(stream.read()).hexdigest() == blob.digest.hex


def test_the_same_content_gives_the_same_bytes(source, tmp_path):
    save([(source, "v1")], tmp_path / "a.tar")
    save([(source, "v1")], tmp_path / "b.tar")

    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()


def test_several_modelkits_share_their_blobs_in_one_archive(source, tmp_path):
    other = layout(tmp_path / "origin", "wine")
    push_random_modelkit(other, tag="v7", layers=3)  # the same seed: the same blobs
    archive = tmp_path / "both.tar"

    save([(source, "v1"), (other, "v7")], archive)
    imported = load(archive, lambda origin: layout(tmp_path / "inside", origin.rsplit("/", 1)[-1]))

    assert [(item.reference.repository, item.reference.tag) for item in imported] == [("iris", "v1"), ("wine", "v7")]
    with tarfile.open(archive) as tar:
        names = tar.getnames()
    assert len(names) == len(set(names))


def test_two_modelkits_that_would_get_one_tag_are_refused_before_anything_is_written(source, tmp_path):
    other = layout(tmp_path / "origin", "wine")
    push_random_modelkit(other, tag="v1", layers=1, seed=7)
    save([(source, "v1"), (other, "v1")], tmp_path / "both.tar")

    with pytest.raises(PromotionError, match="wine:v1"):
        load(tmp_path / "both.tar", lambda origin: layout(tmp_path / "inside", "all"))
    assert not (tmp_path / "inside").exists()

    client = KitClient(folder_registry(tmp_path / "inside"))
    imported = client.load(tmp_path / "both.tar", into="prod/{name}")
    assert [item.reference.repository for item in imported] == ["iris", "wine"]
    assert imported[0].replaced is None
    [again] = client.load(_only(other, tmp_path), into="prod/iris")
    assert again.replaced == source.resolve("v1").digest


def _only(repository, folder):
    return save([(repository, "v1")], folder / "one.tar").path


@pytest.mark.needs("signing")
def test_with_a_trust_policy_nothing_unsigned_comes_in(source, tmp_path):
    other = layout(tmp_path / "origin", "wine")
    push_random_modelkit(other, tag="v7", layers=1, seed=7)
    ada, mallory = (generate_key_pair(key_format="pkcs8").signer for _ in range(2))
    sign(source, "v1", ada)
    sign(other, "v7", mallory)
    archive, trust = tmp_path / "both.tar", TrustPolicy.for_key(ada.public_key)
    save([(source, "v1"), (other, "v7")], archive)
    client = KitClient(folder_registry(tmp_path / "inside"))

    with pytest.raises(VerificationError, match="no key"):
        client.load(archive, trust=trust)
    assert not (tmp_path / "inside").exists()

    both = TrustPolicy.for_key(ada.public_key, mallory.public_key)
    assert [len(item.signers) for item in client.load(archive, trust=both)] == [1, 1]
    elsewhere = replace(both, repositories=("registry.inside/prod/*",))
    with pytest.raises(VerificationError, match="not for"):
        client.load(archive, trust=elsewhere)
    denied = replace(both, deny=frozenset({str(source.resolve("v1").digest)}))
    with pytest.raises(VerificationError, match="denies"):
        client.load(archive, trust=denied)


def test_a_second_import_moves_nothing(source, tmp_path):
    archive = tmp_path / "out.tar"
    save([(source, "v1")], archive)
    arrived = layout(tmp_path / "inside", "iris")
    load(archive, lambda origin: arrived)

    (again,) = load(archive, lambda origin: arrived)

    assert (again.copy.blobs_copied, again.copy.bytes_moved, again.copy.referrers_copied) == (0, 0, 0)


def test_a_failed_export_leaves_neither_the_file_nor_a_part_of_it(source, tmp_path):
    blob = source.fetch_manifest("v1").layers[1]
    source.blob_path(blob.digest).unlink()
    folder = tmp_path / "target"
    folder.mkdir()

    with pytest.raises(NotFoundError):
        save([(source, "v1")], folder / "out.tar")

    assert list(folder.iterdir()) == []


def test_changed_bytes_in_an_archive_are_found_and_no_tag_appears(source, tmp_path):
    archive = tmp_path / "out.tar"
    save([(source, "v1")], archive)
    place = ArchiveRepository(archive)._members["blobs/sha256/" + source.fetch_manifest("v1").layers[0].digest.hex][0]
    with archive.open("r+b") as stream:
        stream.seek(place)
        stream.write(b"tampered")
    arrived = layout(tmp_path / "inside", "iris")

    with pytest.raises(DigestMismatchError):
        load(archive, lambda origin: arrived)

    assert list(arrived.tags()) == []


def write_tar(path, members):
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"index.json": b"not json"},
        {"index.json": b"[]"},
        {"index.json": b'{"manifests": [{"digest": "x"}]}'},
        {"index.json": b'{"manifests": []}'},
    ],
)
def test_what_is_no_archive_is_one_error_with_advice(tmp_path, members):
    write_tar(tmp_path / "x.tar", members)

    with pytest.raises(ModelKitError) as caught:
        load(tmp_path / "x.tar", lambda origin: layout(tmp_path, "iris"))

    assert caught.value.advice


def test_a_cut_archive_a_missing_file_and_noise_are_refused(source, tmp_path):
    archive = tmp_path / "out.tar"
    save([(source, "v1")], archive)
    archive.write_bytes(archive.read_bytes()[:9000])
    (tmp_path / "noise").write_bytes(b"\x01" * 2048)

    for path in (archive, tmp_path / "missing.tar", tmp_path / "noise"):
        with pytest.raises(ModelKitError):
            ArchiveRepository(path)


@pytest.mark.timeout(20)
def test_what_is_no_file_is_no_archive(tmp_path):
    os.mkfifo(tmp_path / "pipe")

    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(ModelKitError, match="it is no file"):
            ArchiveRepository(path)


def test_an_archive_is_read_only(source, tmp_path):
    archive = tmp_path / "out.tar"
    save([(source, "v1")], archive)

    with pytest.raises(RegistryResponseError, match="read-only"):
        ArchiveRepository(archive).set_tag("v2", source.resolve("v1"))


PAX = b"27 GNU.sparse.map=nonsense\n28 GNU.sparse.size=00000005\n"
INDEX = tar_header("index.json", b"%011o\0" % 2) + b"{}".ljust(512, b"\0")
ODD_MEMBERS = {
    "to itself": tar_header("back", b"\xff" * 10 + b"\xfe\x00"),  # minus 512: where the header began
    "beyond all files": tar_header("far", b"\x80" + b"\x7f" * 11),
    "no numbers": tar_header("pax", b"%011o\0" % len(PAX), tarfile.XHDTYPE)
    + PAX.ljust(512, b"\0")
    + tar_header("x", b"0" * 12),
}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("odd", ODD_MEMBERS)
def test_an_archive_whose_numbers_lead_astray_is_refused(tmp_path, odd):
    path = tmp_path / "odd.tar"
    path.write_bytes(INDEX + ODD_MEMBERS[odd] + bytes(1024))
    with pytest.raises(ModelKitError, match="not an archive"):
        ArchiveRepository(path)
