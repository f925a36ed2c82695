"""What users may import: listed by its package, documented, shown on the API pages, and nothing else in sight."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import pkgutil
import re
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

PUBLIC = {
    "kitops_orchestration": (
        "client",
        "oci",
        "modelkit",
        "signing",
        "lineage",
        "promotion",
        "catalog",
        "mlflow_bridge",
        "deploy",
        "testing",
    ),
    "airflow_kitops": (
        "hooks",
        "operators",
        "sensors",
        "triggers",
        "assets",
        "decorators",
        "notifications",
        "task_groups",
    ),
    "dagster_kitops": (),
}
PACKAGES = [*PUBLIC, *(f"{root}.{name}" for root, names in PUBLIC.items() for name in names)]
MODULES = ("errors", "settings", "progress")
"""Public modules of the core that are no packages: every name in them without an underscore is public."""
WHOLE = {f"kitops_orchestration.{name}" for name in MODULES} | {"dagster_kitops.pipes", "dagster_kitops.testing"}

BLOCK = re.compile(r"^```python[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture(params=PACKAGES)
def package(request: pytest.FixtureRequest) -> types.ModuleType:
    return importlib.import_module(request.param)


def listed(package: types.ModuleType) -> list[str]:
    return list(package.__all__)


def test_every_listed_name_exists(package: types.ModuleType) -> None:
    missing = [name for name in listed(package) if not hasattr(package, name)]
    assert missing == []


def test_no_name_is_listed_twice(package: types.ModuleType) -> None:
    assert len(listed(package)) == len(set(listed(package)))


def test_every_public_name_of_a_package_is_listed(package: types.ModuleType) -> None:
    # A lazy package answers through dir() what vars() does not hold.
    names = {name for name in [*vars(package), *dir(package)] if not name.startswith("_") and hasattr(package, name)}
    ours = {name for name in names if is_ours(package, getattr(package, name))}
    assert ours - {"public_names"} - set(listed(package)) == set()


def is_ours(package: types.ModuleType, value: object) -> bool:
    if inspect.isclass(value) or inspect.isfunction(value):
        return value.__module__.split(".")[0] == package.__name__.split(".")[0]
    return False


def test_no_listed_name_is_also_a_module_of_its_package(package: types.ModuleType) -> None:
    # Whoever imported the module first would get the module under the name of the function.
    modules = {module.name for module in pkgutil.iter_modules(package.__path__)}
    assert set(listed(package)) & modules == set()


def test_what_a_type_checker_reads_is_what_a_program_gets(package: types.ModuleType) -> None:
    tree = ast.parse(Path(package.__file__).read_text(encoding="utf-8"))
    checked = {
        alias.asname or alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    for name in listed(package):
        if name.startswith("__"):
            continue
        home = importlib.import_module(checked[name])
        assert getattr(home, name) is getattr(package, name), name


def test_every_listed_name_is_documented(package: types.ModuleType) -> None:
    undocumented = [
        name
        for name in listed(package)
        if (inspect.isclass(value := getattr(package, name)) or callable(value)) and not inspect.getdoc(value)
    ]
    assert undocumented == []


def test_a_package_says_who_may_use_it_and_shows_one_example(package: types.ModuleType) -> None:
    assert re.search(r"^ *>>> |::$", package.__doc__ or "", re.MULTILINE), f"{package.__name__} has no example"


def test_every_public_package_has_its_place_on_an_api_page(root: Path) -> None:
    pages = "\n".join(page.read_text(encoding="utf-8") for page in (root / "docs/reference/api").glob("*.md"))
    shown = set(re.findall(r"^::: ([\w.]+)$", pages, re.MULTILINE))
    without_names = {"kitops_orchestration", "airflow_kitops"}  # what they list is shown where it lives; nothing
    assert shown - WHOLE == set(PACKAGES) - without_names


def sources_for_users(root: Path) -> Iterator[tuple[Path, str]]:
    """Yield the Python that users read: blocks of the documentation, examples, and the notebook's cells."""
    for page in [root / "README.md", *(root / "docs").rglob("*.md")]:
        for block in re.findall(
            r"^```python[^\n]*\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
        ):
            yield page, block
    for path in (root / "examples").rglob("*.py"):
        yield path, path.read_text(encoding="utf-8")
    for path in (root / "examples").rglob("*.ipynb"):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "code":
                yield path, "".join(line for line in cell["source"] if not line.lstrip().startswith(("%", "!")))


def test_documentation_and_examples_import_public_names_only(root: Path) -> None:
    wrong = []
    for path, source in sources_for_users(root):
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in PUBLIC:
                names = {alias.name for alias in node.names}
                public = names if node.module in WHOLE else set(listed_of(node.module))
                wrong += [f"{path.relative_to(root)}: {node.module}.{name}" for name in sorted(names - public)]
    assert wrong == []


def listed_of(module: str) -> list[str]:
    return listed(importlib.import_module(module)) if module in PACKAGES else []
