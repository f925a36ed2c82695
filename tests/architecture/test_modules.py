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
    # A command of its own, for those who maintain another tool; a floor below ours.
    paths = core(root, module_paths, without=("cli", "testing/conformance/__main__.py"))
    assert places(root, paths, {"print", "click.echo", "click.secho", "sys.stdout", "sys.stderr"}) == []


RENAMES_OUTSIDE_OF_DISK = {
    "kitops_orchestration/modelkit/unpacking/reveal.py": "moves a whole tree into a folder that has content, with undo",
    "kitops_orchestration/mlflow_bridge/store/checkout.py": "fills this process's own locked folder, for itself",
    "kitops_orchestration/mlflow_bridge/serving/model_server.py": "a log that outlives the call, for people to read",
    "dagster_kitops/testing.py": "a registry's folder for a test process, removed at exit",
}
"""What may rename files, or make temporary ones that stay, beside ``disk``; and why."""
_RENAMING = {"os.replace", "os.rename", "os.renames", "os.link", "shutil.move"}
_TEMPORARY = {"tempfile.NamedTemporaryFile", "tempfile.mkstemp", "tempfile.mkdtemp"}


def renames(tree: ast.AST) -> Iterator[str]:
    """Calls that give a file its name: ``path.replace(other)`` has one argument, the text's has two."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            called = ast.unparse(node.func)
            is_path_method = len(node.args) == 1 and not node.keywords and node.func.attr in ("replace", "rename")
            if called in _RENAMING | _TEMPORARY or is_path_method or node.func.attr == "hardlink_to":
                yield called


def test_a_file_gets_its_name_in_one_place(root: Path, module_paths: list[Path]) -> None:
    found = {
        path.relative_to(root).as_posix(): sorted(calls)
        for path in module_paths
        if path.parent.name != "disk" and (calls := set(renames(ast.parse(path.read_text(encoding="utf-8")))))
    }
    assert sorted(found) == sorted(RENAMES_OUTSIDE_OF_DISK)


def test_bytes_are_compared_with_their_digest_in_one_place(root: Path, module_paths: list[Path]) -> None:
    """By the algorithm that a descriptor names; a download hashes for itself, and has the answer judged there."""
    found = {path.relative_to(root / "kitops_orchestration").as_posix() for path in module_paths if makes_a_hash(path)}
    assert found == {"oci/verified.py", "oci/transfer/hashing.py", "oci/transfer/download.py"}


def makes_a_hash(path: Path) -> bool:
    return "hashlib.new" in {name for _, name in names_used(ast.parse(path.read_text(encoding="utf-8")))}


def test_cancellation_has_one_shape(root: Path, module_paths: list[Path]) -> None:
    paths = core(root, module_paths, without=("cancel.py",))
    found = []
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            is_raised = isinstance(node, ast.Call) and ast.unparse(node.func) == "TransferCancelledError"
            is_event = isinstance(node, ast.ClassDef) and any(ast.unparse(b)[-5:] == "Event" for b in node.bases)
            given = getattr(node, "annotation", None) if isinstance(node, ast.arg | ast.AnnAssign) else None
            name = node.arg if isinstance(node, ast.arg) else ast.unparse(getattr(node, "target", node))
            is_other = name == "cancel" and given is not None and "threading.Event" not in ast.unparse(given)
            if is_raised or is_event or is_other:
                found.append(f"{path.relative_to(root)}:{node.lineno}")
    assert found == []


def test_every_folder_with_modules_is_a_package(module_paths: list[Path]) -> None:
    folders = {path.parent for path in module_paths}
    assert [folder for folder in sorted(folders) if not (folder / "__init__.py").exists()] == []


def test_no_module_is_an_empty_promise(root: Path, module_paths: list[Path]) -> None:
    assert [path.relative_to(root) for path in module_paths if not path.read_text(encoding="utf-8").strip()] == []
