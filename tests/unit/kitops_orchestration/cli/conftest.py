"""``kitctl`` as a function, and a small ModelKit to give it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kitops_orchestration.cli import main

KITFILE = """\
manifestVersion: 1.0.0
package:
  name: iris
  version: 1.0.0
  description: Tells flowers apart
  license: Apache-2.0
  authors: [Ada]
model:
  name: iris
  path: model.bin
  framework: scikit-learn
datasets:
  - name: train
    path: data/train.csv
code:
  - path: train.py
"""


@dataclass(frozen=True)
class Ran:
    """What a call left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    def ok(self) -> Ran:
        """Return itself when the call succeeded."""
        assert self.code == 0, self.err + self.out
        return self

    def refused(self) -> str:
        """Return standard error of a call that failed as it should: one error, with advice, and no traceback."""
        assert self.code == 1, (self.code, self.out, self.err)
        lines = self.err.splitlines()
        assert sum(line.startswith("kitctl: ") for line in lines) == 1, self.err
        assert lines[-1].startswith("  what to do: "), self.err
        assert "Traceback" not in self.err
        return self.err


Kitctl = Callable[..., Ran]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory and a home that no other test and no user shares."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("COSIGN_PASSWORD", "not a secret")
    for name in ("KITOPS_ORCHESTRATION_CACHE", "KITOPS_HOME", "REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def kitctl(capsys: pytest.CaptureFixture[str]) -> Kitctl:
    """Run ``kitctl`` with these arguments in this process; return exit code, output and errors."""

    def call(*arguments: object) -> Ran:
        capsys.readouterr()
        code = main._run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return call


@pytest.fixture
def kit(here: Path) -> Path:
    """A directory with a Kitfile, a model, a data set and code."""
    folder = here / "kit"
    (folder / "data").mkdir(parents=True)
    (folder / "Kitfile").write_text(KITFILE)
    (folder / "model.bin").write_bytes(b"weights" * 1000)
    (folder / "data" / "train.csv").write_text("a,b\n1,2\n")
    (folder / "train.py").write_text("print('fit')\n")
    return folder


@pytest.fixture
def repository(folder_registry: str) -> str:
    """A repository of a folder registry that does not exist yet."""
    return f"{folder_registry}/iris"


@pytest.fixture
def packed(kitctl: Kitctl, kit: Path, repository: str) -> str:
    """The reference of a ModelKit in the folder registry, with the tag ``v1``."""
    kitctl("pack", kit, "-t", f"{repository}:v1").ok()
    return f"{repository}:v1"


@pytest.fixture
def key(kitctl: Kitctl, here: Path) -> Path:
    """A private key; the public one has the suffix ``.pub``."""
    kitctl("keygen", "-o", here / "ada").ok()
    return here / "ada.key"


@pytest.fixture
def policy(here: Path) -> Path:
    """A promotion policy with two stages in one repository."""
    path = here / "promotion.yaml"
    path.write_text(
        "version: 1\n"
        "stages:\n"
        "  staging: {checks: [{datasetsDeclared: true}]}\n"
        "  production: {from: [staging], checks: [{approvals: {roles: [approver], count: 1}}]}\n"
    )
    return path


@pytest.fixture
def trust(here: Path, key: Path) -> Path:
    """A trust policy in which the key is Ada's, who may do everything."""
    path = here / "trust.yaml"
    path.write_text(
        "version: 1\n"
        "identities:\n"
        "  - id: ada@example.com\n"
        "    name: Ada\n"
        "    roles: [releaser, approver, promoter, tester, builder]\n"
        f"    keys: [{{publicKey: {key.with_suffix('.pub').name}}}]\n"
    )
    return path


@pytest.fixture
def copy_of(here: Path) -> Callable[[Path, str], Path]:
    """Copy a directory under another name."""

    def copied(folder: Path, name: str) -> Path:
        return Path(shutil.copytree(folder, here / name))

    return copied
