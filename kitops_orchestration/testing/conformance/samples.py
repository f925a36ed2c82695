"""Small projects that the Kit CLI and we must pack into the same bytes, and unpack into the same files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kitops_orchestration.oci.descriptor import Digest

_HEAD = "manifestVersion: 1.0.0\n"


@dataclass(frozen=True, slots=True)
class Sample:
    """A project folder: its Kitfile, its files, and what is particular about it."""

    name: str
    kitfile: str
    files: Mapping[str, bytes]
    executables: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    """Files that are in no layer."""

    def write(self, folder: Path) -> Path:
        """Write the project into ``folder``, which must not exist; modes are those of a usual umask."""
        folder.mkdir(parents=True)
        (folder / "Kitfile").write_text(_HEAD + self.kitfile, encoding="utf-8")
        for name, content in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        for path in folder.rglob("*"):
            is_open = path.is_dir() or path.relative_to(folder).as_posix() in self.executables
            path.chmod(0o755 if is_open else 0o644)
        folder.chmod(0o755)
        return folder

    def unpacked(self) -> dict[str, str]:
        """Return what has to be there when it was packed and unpacked: see :func:`tree`."""
        return {
            name: f"{Digest.of(content)} {'x' if name in self.executables else '-'}"
            for name, content in sorted(self.files.items())
            if name not in self.left_out
        }


SAMPLES = (
    Sample("one file", "package: {name: one}\nmodel: {path: model.bin}\n", {"model.bin": b"weights" * 999}),
    Sample(
        "every kind of layer",
        "package: {name: all, version: 1.2.3, description: All kinds, authors: [Ada]}\n"
        "model: {name: net, path: model, framework: sklearn, parameters: {depth: 3, rate: 0.5}}\n"
        "datasets: [{name: train, path: data/train.csv}, {name: test, path: data/test.csv}]\n"
        "code: [{path: src, license: MIT}]\ndocs: [{path: README.md, description: What it is}]\n",
        {
            "model/net.bin": bytes(range(256)) * 64,
            "model/config.json": b"{}",
            "data/train.csv": b"a,b\n1,2\n",
            "data/test.csv": b"a,b\n3,4\n",
            "src/train.py": b"print('hello')\n",
            "src/pkg/__init__.py": b"",
            "README.md": b"# All\n",
        },
    ),
    Sample(
        "parts of a model",
        "model:\n  path: base.bin\n  parts: [{name: adapter, path: adapter.bin}]\n",
        {"base.bin": b"base", "adapter.bin": b"adapter"},
    ),
    Sample("an empty file and an empty name", "model: {path: m}\n", {"m/empty": b"", "m/.hidden": b"x"}),
    Sample(
        "what .kitignore names stays out",
        "code: [{path: .}]\n",
        {"a.py": b"1", "b.log": b"2", "keep/c.log": b"3", ".kitignore": b"*.log\n!keep/c.log\n"},
        left_out=("b.log", ".kitignore"),
    ),
    Sample(
        "names with spaces and other scripts",
        "docs: [{path: docs}]\n",
        {"docs/read me.txt": b"1", "docs/größe.txt": b"2", "docs/模型.txt": b"3"},
    ),
    Sample(
        "a long path",
        "model: {path: deep}\n",
        {"deep/" + "/".join(["a-folder-with-a-name-of-some-length"] * 5) + "/" + "n" * 120: b"x"},
    ),
    Sample("a file that may be executed", "code: [{path: bin}]\n", {"bin/run.sh": b"#!/bin/sh\n"}, ("bin/run.sh",)),
    Sample(
        "one path inside another",
        "model: {path: model}\ncode: [{path: .}]\n",
        {"model/weights.bin": b"w", "main.py": b"m", "lib/util.py": b"u"},
    ),
)


def tree(folder: Path) -> dict[str, str]:
    """Return the files of a folder by path: digest and whether they may be executed; the Kitfile is left out.

    What unpacks writes a Kitfile of its own, and whether it has the same meaning is the question of another case.
    """
    return {
        path.relative_to(
            folder
        ).as_posix(): f"{Digest.of(path.read_bytes())} {'x' if path.stat().st_mode & 64 else '-'}"
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path != folder / "Kitfile"
    }


def difference(one: Mapping[str, str], other: Mapping[str, str]) -> str | None:
    """Return in words how two trees differ, the first few paths; ``None`` where they are equal."""
    lost, more = sorted(one.keys() - other.keys()), sorted(other.keys() - one.keys())
    changed = sorted(name for name in one.keys() & other.keys() if one[name] != other[name])
    said = [
        f"{what}: {', '.join(names[:3])}{' …' if len(names) > 3 else ''}"
        for what, names in (("missing", lost), ("not expected", more), ("not the same", changed))
        if names
    ]
    return "; ".join(said) or None
