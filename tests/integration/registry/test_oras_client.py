"""KitClient.oras: oras-py's own calls, with our session below them."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import threading
from pathlib import Path

import pytest
import requests

from kitops_orchestration import KitClient
from kitops_orchestration.errors import (
    AuthenticationError,
    DigestMismatchError,
    InvalidReferenceError,
    KitOpsError,
    NotFoundError,
    SizeMismatchError,
    TransferCancelledError,
    UnsafePathError,
)
from kitops_orchestration.oci.auth.credentials import Credential, StaticCredentials
from kitops_orchestration.oci.descriptor import Descriptor, Digest
from kitops_orchestration.oci.http.tls import TlsOptions
from kitops_orchestration.oci.manifest import Manifest
from kitops_orchestration.settings import MIB, Limits
from kitops_orchestration.testing.builders import random_bytes
from kitops_orchestration.testing.registry import EmbeddedRegistry, Fault

BIG = random_bytes(3 * MIB + 5)


@pytest.fixture(params=["basic", "token"])
def guarded(request):
    """A registry that lets nobody in without the password."""
    with EmbeddedRegistry(auth=request.param) as registry:
        yield registry


def client_of(registry: EmbeddedRegistry, **options) -> KitClient:
    credentials = StaticCredentials({registry.host: Credential(registry.username, registry.password)})
    options.setdefault("limits", Limits(retries=2, silence_timeout_seconds=5))
    return KitClient(registry.host, credentials=credentials, **options)


@pytest.fixture
def artifact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a file, a large file and a folder to push, which is the working directory."""
    folder = tmp_path / "report"
    (folder / "figures").mkdir(parents=True)
    (folder / "notes.md").write_text("# Notes\n")
    (folder / "weights.bin").write_bytes(BIG)
    (folder / "figures" / "loss.svg").write_text("<svg/>")
    monkeypatch.chdir(folder)
    return folder


FILES = ["notes.md:text/markdown", "weights.bin", "figures"]


def check_pulled(folder: Path, files: list[str]) -> None:
    assert [Path(file).name for file in files] == ["notes.md", "weights.bin", "figures"]
    assert (folder / "notes.md").read_text() == "# Notes\n"
    assert (folder / "weights.bin").read_bytes() == BIG
    assert (folder / "figures" / "loss.svg").read_text() == "<svg/>"
    assert not [path.name for path in folder.iterdir() if path.name.startswith(".")]


def test_files_and_folders_come_back_under_their_titles(guarded, artifact, tmp_path):
    oras = client_of(guarded).oras("team/notes:v1")
    answer = oras.push("team/notes:v1", files=FILES, manifest_annotations={"org.example.kind": "report"})
    assert answer.status_code == 201
    pushed = client_of(guarded).repository("team/notes").fetch_manifest("v1")
    assert answer.headers["Docker-Content-Digest"] == pushed.digest
    assert pushed.annotations == {"org.example.kind": "report"}
    check_pulled(tmp_path / "out", oras.pull(f"{guarded.host}/team/notes:v1", outdir=str(tmp_path / "out")))
    check_pulled(tmp_path / "two", oras.pull(f"team/notes@{pushed.digest}", outdir=str(tmp_path / "two")))
    assert oras.get_tags("team/notes") == ["v1"]
    assert oras.get_manifest("team/notes:v1")["layers"][0]["mediaType"] == "text/markdown"


def test_a_registry_over_tls_with_an_authority_of_its_own(run_registry, authority, artifact, tmp_path, monkeypatch):
    import bcrypt

    users = tmp_path / "htpasswd"
    users.write_text("ada:" + bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode())
    tls = {"certificate": str(authority.certificate_path), "key": str(authority.key_path)}
    host = run_registry(auth={"htpasswd": {"realm": "tests", "path": str(users)}}, http={"tls": tls})
    # Nothing of the machine may decide: neither its bundle of authorities nor the credentials of its user.
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "none.pem"))
    credentials = StaticCredentials({host: Credential("ada", "secret")})
    client = KitClient(host, credentials=credentials, tls=TlsOptions(ca_bundle=authority.ca_path))
    oras = client.oras("team/notes:v1")
    oras.push("team/notes:v1", files=FILES)
    check_pulled(tmp_path / "out", oras.pull("team/notes:v1", outdir=str(tmp_path / "out")))
    stranger = KitClient(host, credentials=StaticCredentials({}), tls=TlsOptions(ca_bundle=authority.ca_path))
    with pytest.raises(AuthenticationError):
        stranger.oras("team/notes:v1").pull("team/notes:v1", outdir=str(tmp_path / "no"))


def test_a_wrong_password_is_an_error_of_the_tree_and_is_not_shown(guarded, artifact):
    credentials = StaticCredentials({guarded.host: Credential("ada", "hunter2-not-it")})
    with pytest.raises(AuthenticationError) as caught:
        KitClient(guarded.host, credentials=credentials).oras("team/notes").push("team/notes:v1", files=FILES)
    assert "hunter2" not in str(caught.value)


def test_content_that_was_changed_in_the_registry_is_never_a_file(embedded_registry, artifact, tmp_path):
    oras = client_of(embedded_registry).oras("team/notes")
    oras.push("team/notes:v1", files=["weights.bin"])
    digest = str(Digest.of(BIG))
    embedded_registry.add_fault(Fault(method="GET", path_contains=digest, times=9, corrupts=True))
    out = tmp_path / "out"
    with pytest.raises(DigestMismatchError):
        oras.pull("team/notes:v1", outdir=str(out))
    with pytest.raises(DigestMismatchError):
        oras.download_blob("team/notes:v1", digest, str(out / "blob"))
    assert list(out.iterdir()) == []
    with pytest.raises(DigestMismatchError):
        oras.get_blob("team/notes:v1", digest)
    with pytest.raises(DigestMismatchError), oras.get_blob("team/notes:v1", digest, stream=True) as answer:
        list(answer.iter_content(65536))


def test_a_manifest_that_is_not_the_one_asked_for_is_refused(embedded_registry, artifact):
    oras = client_of(embedded_registry).oras("team/notes")
    digest = oras.push("team/notes:v1", files=["notes.md"]).headers["Docker-Content-Digest"]
    embedded_registry.add_fault(Fault(method="GET", path_contains="/manifests/", times=9, corrupts=True))
    for target in ("team/notes:v1", f"team/notes@{digest}"):
        with pytest.raises(DigestMismatchError):
            oras.get_manifest(target)


def test_a_file_that_is_there_stays_until_the_new_one_is_whole(embedded_registry, artifact, tmp_path):
    oras = client_of(embedded_registry).oras("team/notes")
    oras.push("team/notes:v1", files=["notes.md"])
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.md").write_text("mine")
    embedded_registry.add_fault(Fault(method="GET", path_contains="/blobs/", times=2, corrupts=True))
    with pytest.raises(DigestMismatchError):
        oras.pull("team/notes:v1", outdir=str(tmp_path / "out"))
    assert (tmp_path / "out" / "notes.md").read_text() == "mine"
    assert oras.pull("team/notes:v1", outdir=str(tmp_path / "out"), overwrite=False) == []
    assert (tmp_path / "out" / "notes.md").read_text() == "mine"


def test_what_passes_is_tried_again(embedded_registry, artifact, tmp_path):
    oras = client_of(embedded_registry).oras("team/notes")
    embedded_registry.fail_next(method="POST", status=503)
    oras.push("team/notes:v1", files=FILES)
    embedded_registry.fail_next(method="GET", path_contains="/manifests/", status=502)
    embedded_registry.add_fault(Fault(method="GET", path_contains="/blobs/", after_bytes=MIB, drops=True))
    check_pulled(tmp_path / "out", oras.pull("team/notes:v1", outdir=str(tmp_path / "out")))


def test_a_target_in_another_registry_is_refused_before_anything_is_sent(embedded_registry, artifact):
    oras = client_of(embedded_registry).oras("team/notes")
    with EmbeddedRegistry() as other:
        for call in (oras.pull, oras.get_tags, oras.get_manifest):
            with pytest.raises(InvalidReferenceError, match=other.host):
                call(f"{other.host}/team/notes:v1")
        import oras.container as parts

        with pytest.raises(InvalidReferenceError, match=other.host):
            oras.get_tags(parts.Container(f"{other.host}/team/notes:v1"))
        assert not other.requests
    assert not embedded_registry.requests


@pytest.mark.parametrize("target", ["Team/Notes:v1", "team/notes:v 1", "team/../notes:v1", "", "team/notes@sha256:1"])
def test_a_target_outside_the_grammar_is_refused(embedded_registry, target):
    with pytest.raises(InvalidReferenceError):
        client_of(embedded_registry).oras("team/notes").get_manifest(target)


def test_a_folder_has_no_oras_client(tmp_path):
    with pytest.raises(InvalidReferenceError, match="is a folder"):
        KitClient(f"file://{tmp_path}").oras("team/notes:v1")


def test_there_is_nothing_to_log_in_to(embedded_registry):
    with pytest.raises(KitOpsError, match="login"):
        client_of(embedded_registry).oras("team/notes").login(username="ada", password="secret")


def test_what_is_not_there_is_not_found(embedded_registry, artifact, tmp_path):
    oras = client_of(embedded_registry).oras("team/notes")
    with pytest.raises(NotFoundError):
        oras.pull("team/notes:v1", outdir=str(tmp_path / "out"))
    with pytest.raises(NotFoundError):
        oras.get_blob("team/notes:v1", str(Digest.of(b"never there")))
    assert oras.delete_tag("team/notes:v1", "v1") is False


def test_an_answer_larger_than_the_limit_is_refused(embedded_registry, artifact):
    client = client_of(embedded_registry, limits=Limits(max_manifest_bytes=200))
    client.oras("team/notes").push("team/notes:v1", files=["notes.md"])
    with pytest.raises(SizeMismatchError, match="more than 200 bytes"):
        client.oras("team/notes").get_manifest("team/notes:v1")


def test_a_request_of_ones_own_is_authorized_and_can_be_streamed(guarded, artifact):
    oras = client_of(guarded).oras("team/notes")
    oras.push("team/notes:v1", files=["weights.bin"])
    url = f"{oras.prefix}://{oras.get_container('team/notes').get_blob_url(str(Digest.of(BIG)))}"
    with oras.do_request(url, stream=True) as answer:
        assert isinstance(answer, requests.Response)
        assert b"".join(answer.iter_content(65536)) == BIG
    assert oras.do_request(f"{oras.prefix}://{oras.hostname}/v2/").status_code == 200


def test_a_users_authorization_header_does_not_replace_the_sessions(guarded, artifact):
    oras = client_of(guarded).oras("team/notes")
    oras.set_header("Authorization", "Basic bm90Oml0")
    oras.push("team/notes:v1", files=["notes.md"])
    assert oras.get_tags("team/notes") == ["v1"]


def test_an_artifact_about_another_is_found_as_its_referrer(embedded_registry, artifact):
    import oras.oci

    embedded_registry.behaviour.referrers_api = False
    client = client_of(embedded_registry)
    oras_client = client.oras("team/notes")
    oras_client.push("team/notes:v1", files=["notes.md"])
    subject = client.repository("team/notes").resolve("v1")
    about = oras.oci.Subject(subject.media_type, str(subject.digest), subject.size)
    oras_client.push("team/notes:comment", files=["weights.bin"], subject=about)
    found = client.repository("team/notes").referrers(subject.digest)
    assert [each.digest for each in found] == [client.repository("team/notes").resolve("comment").digest]


def test_large_files_are_streamed_and_one_that_changed_is_not_pushed(embedded_registry, artifact):
    oras = client_of(embedded_registry).oras("team/notes")
    layer = {"mediaType": "a/b", "size": len(BIG), "digest": str(Digest.of(BIG))}
    Path("weights.bin").write_bytes(BIG[:-1] + b"!")
    for upload in (oras.upload_blob, oras.put_upload, oras.chunked_upload):
        with pytest.raises(KitOpsError):
            upload("weights.bin", "team/notes:v1", layer)
    Path("weights.bin").write_bytes(BIG)
    assert oras.chunked_upload("weights.bin", "team/notes:v1", layer).status_code == 201
    assert oras.upload_blob("weights.bin", "team/notes:v1", layer).status_code == 200


def test_a_cancelled_client_stops(embedded_registry, artifact):
    cancel = threading.Event()
    oras = client_of(embedded_registry, cancel=cancel).oras("team/notes")
    cancel.set()
    with pytest.raises(TransferCancelledError):
        oras.push("team/notes:v1", files=["weights.bin"])


def archive(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for info, content in members:
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return gzip.compress(packed.getvalue())


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info, b""


EVIL = {
    "a member above the folder": archive((tarfile.TarInfo("../evil"), b"x")),
    "an absolute member": archive((tarfile.TarInfo("a/../../evil"), b"x")),
    "a link to outside": archive(link("folder", "/tmp"), (tarfile.TarInfo("folder/evil"), b"x")),
    "a hard link to outside": archive(link("evil", "../../outside", tarfile.LNKTYPE)),
    "a device": archive(link("evil", "", tarfile.CHRTYPE)),
}
DIRECTORY = "application/vnd.oci.image.layer.v1.tar+gzip"


def push_artifact(client: KitClient, title: str, content: bytes, media_type: str) -> None:
    from kitops_orchestration.oci.transfer.source import BytesSource

    repository = client.repository("team/evil")
    layer = Descriptor(
        media_type, Digest.of(content), len(content), annotations={"org.opencontainers.image.title": title}
    )
    config = Descriptor("application/vnd.unknown.config.v1+json", Digest.of(b"{}"), 2)
    repository.push_blob(layer, BytesSource(content))
    repository.push_blob(config, BytesSource(b"{}"))
    repository.push_manifest(Manifest.build(config=config, layers=[layer]), tag="v1")


@pytest.mark.parametrize("kind", EVIL)
def test_an_archive_that_leads_out_of_the_folder_is_refused(embedded_registry, tmp_path, kind):
    client = client_of(embedded_registry)
    push_artifact(client, "folder", EVIL[kind], DIRECTORY)
    out = tmp_path / "a" / "out"
    with pytest.raises(UnsafePathError):
        client.oras("team/evil").pull("team/evil:v1", outdir=str(out))
    assert not list(tmp_path.rglob("evil"))


@pytest.mark.parametrize("title", ["../evil", "/tmp/evil-of-a-test", "a/../../evil", ".", ".."])
def test_a_title_that_leads_out_of_the_folder_is_refused(embedded_registry, tmp_path, title):
    client = client_of(embedded_registry)
    push_artifact(client, title, b"x", "text/plain")
    with pytest.raises(UnsafePathError):
        client.oras("team/evil").pull("team/evil:v1", outdir=str(tmp_path / "out"))
    assert not list(tmp_path.rglob("evil"))
    assert not Path("/tmp/evil-of-a-test").exists()


@pytest.mark.parametrize("content", [b"", b"no archive", gzip.compress(b"no tar"), EVIL["a device"][:40]])
def test_a_folder_that_is_no_archive_is_an_error_of_the_tree(embedded_registry, tmp_path, content):
    client = client_of(embedded_registry)
    push_artifact(client, "folder", content, DIRECTORY)
    with pytest.raises(KitOpsError):
        client.oras("team/evil").pull("team/evil:v1", outdir=str(tmp_path / "out"))


def test_what_another_program_pushed_is_pulled_the_same(embedded_registry, tmp_path):
    client = client_of(embedded_registry)
    push_artifact(client, "sub/notes.json", json.dumps({"a": 1}).encode(), "application/json")
    (file,) = client.oras("team/evil").pull("team/evil:v1", outdir=str(tmp_path / "out"))
    assert json.loads(Path(file).read_text()) == {"a": 1}
    assert file == str(tmp_path / "out" / "sub" / "notes.json")
