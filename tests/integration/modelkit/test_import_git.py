"""Importing from git repositories on disk."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from kitops_orchestration.errors import GateRefusedError, KitOpsError, ModelKitError, NotFoundError
from kitops_orchestration.modelkit.inspect import inspect
from kitops_orchestration.modelkit.sources.git import import_git
from kitops_orchestration.modelkit.sources.import_source import without_user
from kitops_orchestration.modelkit.unpack import unpack
from kitops_orchestration.oci.layout import LayoutRepository
from kitops_orchestration.oci.reference import Reference, folder_registry
from kitops_orchestration.oci.resolve import tags_if_there

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 12\n"
BIG = b"\x00weights" * 100_000


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main"]
    environment = {**os.environ, "GIT_LFS_SKIP_SMUDGE": "1"}
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, env=environment)
    return done.stdout.decode().strip()


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KITOPS_ORCHESTRATION_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    folder = tmp_path / "tiny"
    folder.mkdir()
    git(folder, "init", "--quiet")
    (folder / "model.onnx").write_text("weights")
    (folder / "README.md").write_text("# Tiny")
    (folder / ".gitattributes").write_text("")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "first")
    git(folder, "tag", "v1")
    return folder


@pytest.fixture
def repository(tmp_path: Path) -> LayoutRepository:
    return LayoutRepository(Reference(folder_registry(tmp_path / "registry"), "org/tiny"))


def test_a_commit_is_imported_with_its_source(origin: Path, repository: LayoutRepository, tmp_path: Path) -> None:
    result = import_git(str(origin), repository, tag="latest")

    kit = inspect(repository, "latest")
    assert result.revision == git(origin, "rev-parse", "HEAD")
    assert kit.manifest.annotations["org.opencontainers.image.revision"] == result.revision
    assert kit.kitfile.package.name == "tiny"
    unpack(repository, "latest", tmp_path / "out")
    names = sorted(path.name for path in (tmp_path / "out").rglob("*"))
    assert names == ["Kitfile", "README.md", "model.onnx"]


def test_what_a_pack_refuses_is_not_imported(origin: Path, repository: LayoutRepository) -> None:
    (origin / ".env").write_text("A=1\n")
    (origin / "train.yaml").write_text("password: Tr41n-on-nights!\n")
    git(origin, "add", "-f", ".")
    git(origin, "commit", "--quiet", "-m", "oh no")

    with pytest.raises(GateRefusedError) as raised:
        import_git(str(origin), repository)

    assert {found["path"] for found in raised.value.findings} == {".env", "train.yaml"}
    assert not repository.directory.exists()


@pytest.mark.parametrize("revision", ["v1", "other", "HEAD"])
def test_tags_and_branches_lead_to_their_commit(revision: str, origin: Path, repository: LayoutRepository) -> None:
    git(origin, "checkout", "--quiet", "-b", "other")
    (origin / "model.onnx").write_text("newer")
    git(origin, "commit", "--quiet", "-am", "second")

    assert import_git(f"file://{origin}", repository, revision=revision).revision == git(origin, "rev-parse", revision)


def test_a_repository_with_a_kitfile_is_packed_by_it(origin: Path, repository: LayoutRepository) -> None:
    (origin / "Kitfile").write_text("manifestVersion: 1.0.0\npackage: {name: own}\nmodel: {path: model.onnx}\n")
    git(origin, "add", ".")
    git(origin, "commit", "--quiet", "-m", "Kitfile")

    assert import_git(str(origin), repository).pack.kitfile.package.name == "own"


@pytest.mark.parametrize("revision", ["nope", "0" * 40])
def test_a_missing_revision_is_not_found(revision: str, origin: Path, repository: LayoutRepository) -> None:
    with pytest.raises(NotFoundError):
        import_git(str(origin), repository, revision=revision)


def test_a_missing_repository_is_not_found(repository: LayoutRepository, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        import_git(str(tmp_path / "missing"), repository)


@pytest.mark.parametrize("url", ["--upload-pack=touch x", "ext::sh -c touch% x", "a\nb"])
def test_addresses_that_would_run_programs_are_refused(url: str, repository: LayoutRepository) -> None:
    with pytest.raises(KitOpsError):
        import_git(url, repository)
    assert not Path("x").exists()


def test_pointers_without_git_lfs_are_a_clear_error(
    origin: Path, repository: LayoutRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (origin / "big.bin").write_text(POINTER)
    git(origin, "add", ".")
    git(origin, "commit", "--quiet", "-m", "pointer")
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "git").symlink_to(str(shutil.which("git")))
    monkeypatch.setenv("PATH", str(programs))

    with pytest.raises(ModelKitError, match=r"big\.bin.*git-lfs"):
        import_git(str(origin), repository, tag="v1")
    assert tags_if_there(repository) == []


@pytest.fixture
def lfs_origin(origin: Path) -> Path:
    """The same repository with a file that the real git-lfs keeps."""
    if shutil.which("git-lfs") is None:
        message = "git-lfs is not installed (apt-get install git-lfs)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    git(origin, "lfs", "install", "--local")
    git(origin, "lfs", "track", "*.bin")
    (origin / "weights").mkdir()
    (origin / "weights/big.bin").write_bytes(BIG)
    git(origin, "add", ".")
    git(origin, "commit", "--quiet", "-m", "large file")
    assert git(origin, "show", "HEAD:weights/big.bin").startswith("version https://git-lfs")
    return origin


@pytest.mark.parametrize("scheme", ["file://", ""])
def test_pointers_are_resolved_by_git_lfs(
    scheme: str, lfs_origin: Path, repository: LayoutRepository, tmp_path: Path
) -> None:
    import_git(f"{scheme}{lfs_origin}", repository, tag="v1")
    unpack(repository, "v1", tmp_path / "out")

    assert (tmp_path / "out/weights/big.bin").read_bytes() == BIG


def test_a_large_file_that_its_server_lost_is_named(lfs_origin: Path, repository: LayoutRepository) -> None:
    shutil.rmtree(lfs_origin / ".git/lfs/objects")

    with pytest.raises(KitOpsError, match=r"big\.bin|lfs"):
        import_git(f"file://{lfs_origin}", repository, tag="v1")
    assert tags_if_there(repository) == []


def test_the_commit_says_when_the_modelkit_was_made(
    origin: Path, repository: LayoutRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = import_git(str(origin), repository, tag="v1")
    again = import_git(str(origin), repository, tag="v2")

    created = inspect(repository, "v1").created
    assert created is not None
    assert int(created.timestamp()) == int(git(origin, "show", "-s", "--format=%ct", "HEAD"))
    assert again.pack.digest == first.pack.digest
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000000000")
    assert import_git(str(origin), repository).pack.manifest.annotations["org.opencontainers.image.created"] == (
        "2001-09-09T01:46:40Z"
    )


def test_credentials_in_addresses_are_not_shown() -> None:
    assert without_user("https://me:secret@git.example/a/b.git") == "https://git.example/a/b.git"
