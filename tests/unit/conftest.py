"""Unit tests run with whatever extras are there: none, one alone, or all. The head of the report says which.

What needs an extra that is not there is left out before it is imported, by the tables below: whole folders, and tests
that use a fixture. A single test says ``@pytest.mark.needs("signing")``. An error of ours about a missing extra is
never a reason to skip: that would hide a verb that asks for more than it needs.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
MODULES = {
    "airflow": ("airflow",),
    "catalog": ("jinja2",),
    "dagster": ("dagster",),
    "huggingface": ("huggingface_hub",),
    "mlflow": ("mlflow",),
    "openlineage": ("openlineage",),
    "s3": ("boto3",),
    "signing": ("cryptography", "nacl"),
}
PLACES = {
    HERE / "airflow_kitops": "airflow",
    HERE / "dagster_kitops": "dagster",
    HERE / "kitops_orchestration" / "catalog": "catalog",
    HERE / "dagster_kitops" / "test_openlineage.py": "openlineage",
    HERE / "kitops_orchestration" / "lineage" / "projections" / "test_openlineage.py": "openlineage",
    HERE / "kitops_orchestration" / "promotion": "signing",
    HERE / "kitops_orchestration" / "signing": "signing",
}
# Fixtures that make a key: of the command line, of a repository's people, of an orchestrator's connection.
FIXTURES = {
    "signing": {
        "ada",
        "key",
        "evil",
        "filled",
        "key_pair",
        "keys",
        "mallory",
        "office",
        "pair",
        "people",
        "sample",
        "signer",
        "signing",
        "told",
    },
}


def _is_here(extra: str) -> bool:
    return all(importlib.util.find_spec(name) is not None for name in MODULES[extra])


MISSING = frozenset(extra for extra in MODULES if not _is_here(extra))


def pytest_report_header() -> str:
    """Say which extras are there, and what is left out."""
    here = ", ".join(sorted(MODULES.keys() - MISSING)) or "none"
    left_out = [f"{path.relative_to(HERE)} ({extra})" for path, extra in PLACES.items() if extra in MISSING]
    return f"extras: {here}" + (f"; left out: {', '.join(left_out)}, and tests that need them" if MISSING else "")


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave out folders and files whose very import needs an extra."""
    return True if PLACES.get(collection_path) in MISSING else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out single tests."""
    kept, left_out = [], []
    for item in items:
        (left_out if item.path.is_relative_to(HERE) and _needs(item) & MISSING else kept).append(item)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = kept


def _needs(item: pytest.Item) -> set[str]:
    named = {extra for marker in item.iter_markers("needs") for extra in marker.args}
    used = set(getattr(item, "fixturenames", ()))
    return named | {extra for extra, fixtures in FIXTURES.items() if fixtures & used}
