from __future__ import annotations

from pathlib import Path

import pytest

PACKAGES = ("kitops_orchestration", "airflow_kitops", "dagster_kitops")


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout: these tests judge files, not an installation."""
    return Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def module_paths(root: Path) -> list[Path]:
    """Every module that is shipped."""
    return sorted(path for package in PACKAGES for path in (root / package).rglob("*.py"))
