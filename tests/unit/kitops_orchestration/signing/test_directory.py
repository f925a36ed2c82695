from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from kitops_orchestration.errors import SignatureError, VerificationError
from kitops_orchestration.signing.bundle import sign_directory_statement
from kitops_orchestration.signing.directory import SIGNATURE_FILE, FileList, sign_directory, verify_directory
from kitops_orchestration.signing.signed_files import read_files, sign_files
from kitops_orchestration.signing.trust import TrustPolicy


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "iris"
    for name, content in {"Kitfile": b"kit", "model/a.bin": b"a", "model-b": b"b", "model/empty": b""}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def test_the_vector_is_written_byte_for_byte(vectors, vector_signer, tmp_path) -> None:
    theirs = vectors["oms"]
    for name, content in theirs["files"].items():
        path = tmp_path / "iris" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes.fromhex(content))

    ours = sign_directory_statement(FileList.of(tmp_path / "iris").to_statement(), vector_signer)

    assert ours == json.dumps(theirs["bundle"], separators=(",", ":")).encode()
    assert verify_directory(tmp_path / "iris", json.dumps(theirs["bundle"]).encode(), key=vector_signer.public_key)


def test_a_folder_verifies_as_it_was_signed(folder, people) -> None:
    signature = sign_directory(folder, people.ada)
    (folder / SIGNATURE_FILE).write_bytes(signature)

    result = verify_directory(folder, signature, key=people.ada.public_key).require()

    assert result.files == 4
    assert signature == sign_directory(folder, people.ada)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda folder: (folder / "model/a.bin").write_bytes(b"b"), "1 changed (model/a.bin)"),
        (lambda folder: (folder / "model/a.bin").unlink(), "1 removed (model/a.bin)"),
        (lambda folder: (folder / "model/new").write_bytes(b""), "1 added (model/new)"),
        (lambda folder: (folder / "model/empty").rename(folder / "empty"), "1 added (empty), 1 removed (model/empty)"),
    ],
    ids=["changed", "removed", "added", "renamed"],
)
def test_every_difference_is_found_and_named(folder, people, change, says) -> None:
    signature = sign_directory(folder, people.ada)
    change(folder)

    result = verify_directory(folder, signature, key=people.ada.public_key)

    assert not result.is_verified
    assert result.reason == says
    with pytest.raises(VerificationError, match="does not verify"):
        result.require()


def test_another_key_does_not_verify(folder, people) -> None:
    result = verify_directory(folder, sign_directory(folder, people.mallory), key=people.ada.public_key)
    assert not result.is_verified
    assert result.reason == "no key of the trust policy made this signature"


def test_a_symbolic_link_is_refused(folder, people) -> None:
    (folder / "link").symlink_to("Kitfile")
    with pytest.raises(SignatureError, match="symbolic link"):
        sign_directory(folder, people.ada)
    with pytest.raises(SignatureError, match="symbolic link"):
        verify_directory(folder, sign_directory(folder / "model", people.ada), key=people.ada.public_key)


def test_what_is_no_folder_is_one_clear_error(tmp_path, people) -> None:
    with pytest.raises(SignatureError, match="not a folder"):
        sign_directory(tmp_path / "none", people.ada)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"resources": [{"name": "../x", "digest": "0" * 64, "algorithm": "sha256"}]}, "no relative path"),
        ({"resources": [{"name": "/x", "digest": "0" * 64, "algorithm": "sha256"}]}, "no relative path"),
        ({"resources": [{"name": "x", "digest": "zz", "algorithm": "sha256"}]}, "no relative path"),
        ({"resources": [{"name": "x", "digest": "0" * 64, "algorithm": "blake3"}]}, "uses"),
        ({"resources": [{"name": "x", "digest": "0" * 64, "algorithm": "sha256"}]}, "contradicts itself"),
        ({"resources": [{"name": "x"}]}, "lacks"),
        ({"serialization": {"method": "shards", "hash_type": "sha256"}}, "'shards'"),
        ({"serialization": {}}, "lacks"),
    ],
    ids=str,
)
def test_a_list_that_is_none_is_refused_though_well_signed(folder, people, change, says) -> None:
    from kitops_orchestration.signing.statement import Statement

    good = FileList.of(folder).to_statement()
    bad = Statement.of(good.subject, good.predicate_type, {**good.predicate, **change})
    with pytest.raises(SignatureError, match=says):
        verify_directory(folder, sign_directory_statement(bad, people.ada), key=people.ada.public_key)


def test_a_signature_of_a_manifest_is_no_directory_signature(folder, vectors, vector_signer) -> None:
    with pytest.raises(SignatureError, match="not a directory signature"):
        verify_directory(folder, json.dumps(vectors["bundle_v03"]).encode(), key=vector_signer.public_key)


def test_the_list_in_the_registry_is_tied_to_the_modelkit(repository, put, people, folder) -> None:
    digest = put(repository, "v1").digest
    signed = sign_files(repository, "v1", people.ada, directory=folder)
    again = sign_files(repository, "v1", people.ada, directory=folder)

    found = read_files(repository, digest, trust=TrustPolicy.for_key(people.ada.public_key))

    assert signed.is_new
    assert not again.is_new
    assert found.is_bound
    assert found.files == signed.files
    assert verify_directory(folder, signed.content, key=people.ada.public_key).is_verified


def test_a_list_that_was_moved_to_another_modelkit_does_not_count(repository, put, people, folder) -> None:
    from kitops_orchestration.oci import referrers
    from kitops_orchestration.signing.evidence import DIRECTORY_SIGNATURE

    put(repository, "v1", b"one")
    other = put(repository, "v2", b"two")
    content = sign_files(repository, "v1", people.ada, directory=folder).content
    referrers.attach(
        repository, other, artifact_type=DIRECTORY_SIGNATURE, layers=[(content, DIRECTORY_SIGNATURE)], annotations={}
    )

    assert read_files(repository, other.digest, trust=TrustPolicy.for_key(people.ada.public_key)) is None


def test_a_directory_signature_is_no_signature_on_the_modelkit(repository, put, people, folder) -> None:
    from kitops_orchestration.signing.verify import check_signatures

    put(repository, "v1")
    sign_files(repository, "v1", people.ada, directory=folder)

    assert not check_signatures(repository, "v1", key=people.ada.public_key).is_verified


def test_two_lists_tell_which_files_changed(folder) -> None:
    before = FileList.of(folder)
    (folder / "model/a.bin").write_bytes(b"new")
    (folder / "model-b").unlink()
    (folder / "model/c").write_bytes(b"c")

    changes = before.changes_to(FileList.of(folder))

    assert changes.to_json() == {"added": ["model/c"], "removed": ["model-b"], "changed": ["model/a.bin"]}


def test_the_payload_is_readable_by_anybody(folder, people) -> None:
    envelope = json.loads(sign_directory(folder, people.ada))["dsseEnvelope"]
    assert json.loads(base64.b64decode(envelope["payload"]))["subject"][0]["name"] == "iris"
