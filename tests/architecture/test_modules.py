"""The shape of the code: sizes, names, and who may touch the outside world."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

MAX_LINES = 600
DRAWERS = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "handler", "base"}


def names_used(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and dotted text of every name, attribute and imported name: ``os.environ``, ``print``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Name):
            yield node.lineno, ast.unparse(node)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield node.lineno, f"{node.module}.{alias.name}"


def places(root: Path, paths: list[Path], forbidden: set[str]) -> list[str]:
    return sorted(
        f"{path.relative_to(root)}:{line}: {name}"
        for path in paths
        for line, name in names_used(ast.parse(path.read_text(encoding="utf-8")))
        if name in forbidden
    )


def core(root: Path, module_paths: list[Path], *, without: tuple[str, ...]) -> list[Path]:
    package = root / "kitops_orchestration"
    allowed = [package / name for name in without]
    return [
        path
        for path in module_paths
        if path.is_relative_to(package) and not any(path.is_relative_to(place) for place in allowed)
    ]


def test_no_module_is_longer_than_anyone_reads(root: Path, module_paths: list[Path]) -> None:
    lengths = {path.relative_to(root): len(path.read_text(encoding="utf-8").splitlines()) for path in module_paths}
    assert {path: lines for path, lines in lengths.items() if lines > MAX_LINES} == {}


def test_no_module_is_named_like_a_drawer(root: Path, module_paths: list[Path]) -> None:
    named = [path.relative_to(root) for path in module_paths if path.stem.strip("_") in DRAWERS]
    named += [path.relative_to(root) for path in module_paths if path.parent.name.strip("_") in DRAWERS]
    assert named == []


def test_only_settings_reads_the_environment(root: Path, module_paths: list[Path]) -> None:
    paths = core(root, module_paths, without=("settings.py",))
    assert places(root, paths, {"os.environ", "os.getenv", "os.environb", "os.path.expandvars"}) == []


def test_only_the_command_line_prints(root: Path, module_paths: list[Path]) -> None:
    paths = core(root, module_paths, without=("cli",))
    assert places(root, paths, {"print", "click.echo", "click.secho", "sys.stdout", "sys.stderr"}) == []


def test_every_folder_with_modules_is_a_package(module_paths: list[Path]) -> None:
    folders = {path.parent for path in module_paths}
    assert [folder for folder in sorted(folders) if not (folder / "__init__.py").exists()] == []


def test_no_module_is_an_empty_promise(root: Path, module_paths: list[Path]) -> None:
    assert [path.relative_to(root) for path in module_paths if not path.read_text(encoding="utf-8").strip()] == []
