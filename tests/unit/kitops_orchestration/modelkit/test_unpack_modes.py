"""What an unpack gives to files: no more than the umask, and no program that git would run."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from kitops_orchestration.errors import ModelKitError, UnsafePathError
from kitops_orchestration.modelkit.generate.generate import generate
from kitops_orchestration.modelkit.layers import tar
from kitops_orchestration.modelkit.pack import pack
from kitops_orchestration.modelkit.unpack import unpack
from kitops_orchestration.oci.layout import LayoutRepository

KITFILE = "manifestVersion: 1.0.0\npackage: {name: x}\nmodel: {path: m}\n"


@pytest.fixture
def umask() -> Iterator[Callable[[int], None]]:
    """Return a function that sets the umask for one test."""
    before = os.umask(0o022)
    os.umask(before)
    yield lambda mask: os.umask(mask) and None
    os.umask(before)


@pytest.mark.parametrize(
    ("mask", "mode"), list(product([0o000, 0o002, 0o022, 0o027, 0o077], [0o644, 0o600, 0o755, 0o777]))
)
@pytest.mark.parametrize("layer_format", ["tar", "raw"])
def test_the_umask_takes_away_from_every_mode(
    make_context: Callable[..., Path],
    repository: LayoutRepository,
    tmp_path: Path,
    umask: Callable[[int], None],
    mask: int,
    mode: int,
    layer_format: str,
) -> None:
    path = "m" if layer_format == "raw" else "m/d/w.bin"
    context = make_context({"Kitfile": KITFILE, path: "w"})
    (context / path).chmod(mode)
    pack(context, repository, tag="v1", layer_format=layer_format)
    umask(mask)

    unpack(repository, "v1", tmp_path / "new")
    (tmp_path / "there").mkdir(mode=0o777)
    unpack(repository, "v1", tmp_path / "there")

    for out in (tmp_path / "new", tmp_path / "there"):
        assert oct((out / path).stat().st_mode & 0o777) == oct(mode & ~mask)
        assert oct((out / "Kitfile").stat().st_mode & 0o777) == oct(0o644 & ~mask)
        folders = [] if layer_format == "raw" else [out / "m", out / "m/d"]
        assert {oct(folder.stat().st_mode & 0o777) for folder in (out, *folders)} <= {
            oct(0o755 & ~mask),
            oct(0o777 & ~mask),
        }


def kit_with(hand_made: Any, name: str, mode: int) -> LayoutRepository:
    """Store a ModelKit whose code layer has one member of this name."""
    data = tar.header(name, mode, 1) + b"x" + bytes(511) + tar.END
    layer = hand_made.blob(data, "application/vnd.kitops.modelkit.code.v1.tar")
    hand_made.push([layer], config=json.dumps({"manifestVersion": "1.0.0", "code": [{"path": "."}]}).encode())
    repository: LayoutRepository = hand_made.repository
    return repository


HOOKS = ("pre-commit", "post-checkout", "post-merge", "fsmonitor-watchman", "pre-push")
FOLDERS = (".git/hooks", "sub/.git/hooks", ".GIT/hooks", ".git/modules/a/hooks", ".git/Hooks")


@pytest.mark.parametrize(("folder", "hook"), list(product(FOLDERS, HOOKS)))
def test_a_hook_is_not_written(hand_made: Any, tmp_path: Path, folder: str, hook: str) -> None:
    repository = kit_with(hand_made, f"{folder}/{hook}", 0o644)

    with pytest.raises(UnsafePathError, match="git would run"):
        unpack(repository, "v1", tmp_path / "out")

    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("mode", [0o755, 0o711, 0o654, 0o645])
@pytest.mark.parametrize("name", [".git/tool", ".git/a/b", "x/.git/run.sh", ".Git/x", ".git/objects/p"])
def test_a_program_inside_git_is_not_written(hand_made: Any, tmp_path: Path, name: str, mode: int) -> None:
    repository = kit_with(hand_made, name, mode)

    with pytest.raises(UnsafePathError, match="git would run"):
        unpack(repository, "v1", tmp_path / "out")


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        (".git/HEAD", 0o644),
        (".git/hooks/pre-commit.sample", 0o755),
        ("hooks/pre-commit", 0o755),
        ("a.git/run", 0o755),
        (".gitignore", 0o644),
        (".github/hooks/x", 0o755),
        ("dot.git", 0o755),
    ],
)
def test_what_git_does_not_run_is_written(hand_made: Any, tmp_path: Path, name: str, mode: int) -> None:
    repository = kit_with(hand_made, name, mode)

    unpack(repository, "v1", tmp_path / "out")

    assert (tmp_path / "out" / name).read_bytes() == b"x"


@pytest.mark.parametrize("depth", [100, 255, 256, 257, 258, 300, 512, 999, 1000, 1500, 1999, 2000, 2001, 2500])
def test_a_deep_path_of_an_archive_is_an_error_of_the_tree(hand_made: Any, tmp_path: Path, depth: int) -> None:
    repository = kit_with(hand_made, "d/" * (depth - 1) + "f", 0o644)

    if depth <= 256:
        unpack(repository, "v1", tmp_path / "out")
        return
    with pytest.raises(ModelKitError, match="levels deep"):
        unpack(repository, "v1", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir() if "unpack" in path.name] == []


@pytest.fixture
def deep(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Return a function that makes a folder with so many folders in each other, deeper than a path may be long."""
    root = tmp_path / "deep"

    def make(depth: int) -> Path:
        root.mkdir()
        (root / "Kitfile").write_text("manifestVersion: 1.0.0\ncode: [{path: .}]\n")
        here = os.open(root, os.O_RDONLY)
        for _ in range(depth):
            os.mkdir("dd", dir_fd=here)
            below = os.open("dd", os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = below
        os.close(here)
        return root

    yield make
    subprocess.run(["rm", "-rf", str(root)], check=True)


@pytest.mark.parametrize("depth", [200, 300, 1000, 2000, 3000])
@pytest.mark.parametrize("verb", ["pack", "init"])
def test_a_deep_folder_is_an_error_of_the_tree(
    repository: LayoutRepository, deep: Callable[[int], Path], depth: int, verb: str
) -> None:
    folder = deep(depth)
    with contextlib.nullcontext() if depth <= 256 else pytest.raises(ModelKitError, match="levels deep"):
        pack(folder, repository) if verb == "pack" else generate(folder)
