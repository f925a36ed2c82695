"""Who opens a repository: the client, and whoever is handed nothing but a text.

A core function that opened one by itself would do so without the credentials, the TLS, the proxy and the limits of the
client that called it.  Where it needs another repository than its own, it takes an ``open_parent`` or
``open_repository`` from its caller.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CORE = ("modelkit", "signing", "lineage", "mlflow_bridge", "promotion", "deploy")
OPENERS = {"open_repository", "open_to_pull", "LayoutRepository", "RemoteRepository", "KitClient"}
HANDED_A_TEXT = {"mlflow_bridge/store/registry_policy.py": {"open_for_mlflow"}}
"""MLflow hands its plugins an address and nothing else."""


def opened_in(path: Path) -> set[str]:
    """The functions of a module in which a name that opens repositories is imported, or called when it was."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found: set[str] = set()
    for node in ast.walk(tree):
        for imported in ast.walk(node) if isinstance(node, ast.FunctionDef) else ():
            if isinstance(imported, ast.ImportFrom) and OPENERS & {alias.name for alias in imported.names}:
                found.add(node.name)
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and OPENERS & {alias.name for alias in node.names}:
            called = {call.func.id for call in ast.walk(tree) if isinstance(call, ast.Call) and is_name(call.func)}
            found |= OPENERS & called
    return found


def is_name(node: ast.expr) -> bool:
    return isinstance(node, ast.Name)


@pytest.mark.parametrize("package", CORE)
def test_no_core_function_opens_a_repository_by_itself(package: str) -> None:
    root = ROOT / "kitops_orchestration"
    modules = sorted((root / package).rglob("*.py"))
    assert modules
    found = {path.relative_to(root).as_posix(): opened_in(path) for path in modules}
    assert {name: names for name, names in found.items() if names} == {
        name: names for name, names in HANDED_A_TEXT.items() if name.startswith(package)
    }


def test_a_function_that_opens_one_is_found(tmp_path: Path) -> None:
    inside = tmp_path / "inside.py"
    inside.write_text("def f():\n    from kitops_orchestration.oci.schemes import open_repository\n")
    above = tmp_path / "above.py"
    above.write_text("from kitops_orchestration.oci.layout import LayoutRepository\nplace = LayoutRepository(1)\n")
    assert (opened_in(inside), opened_in(above)) == ({"f"}, {"LayoutRepository"})
