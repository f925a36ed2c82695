"""What users may import: listed, documented, and nothing else in sight."""

from __future__ import annotations

import importlib
import inspect
import types

import pytest

PACKAGES = ("kitops_orchestration", "airflow_kitops", "dagster_kitops")


@pytest.fixture(params=PACKAGES)
def package(request: pytest.FixtureRequest) -> types.ModuleType:
    return importlib.import_module(request.param)


def listed(package: types.ModuleType) -> list[str]:
    return list(getattr(package, "__all__", []))


def test_every_listed_name_exists(package: types.ModuleType) -> None:
    missing = [name for name in listed(package) if not hasattr(package, name)]
    assert missing == []


def test_no_name_is_listed_twice(package: types.ModuleType) -> None:
    assert len(listed(package)) == len(set(listed(package)))


def test_every_public_name_of_a_package_is_listed(package: types.ModuleType) -> None:
    # A lazy package answers through dir() what vars() does not hold.
    names = {name for name in [*vars(package), *dir(package)] if not name.startswith("_") and hasattr(package, name)}
    ours = {name for name in names if is_ours(package, getattr(package, name))}
    assert ours - set(listed(package)) == set()


def is_ours(package: types.ModuleType, value: object) -> bool:
    if inspect.isclass(value) or inspect.isfunction(value):
        return value.__module__.split(".")[0] == package.__name__
    return False


def test_every_listed_name_is_documented(package: types.ModuleType) -> None:
    undocumented = [
        name
        for name in listed(package)
        if (inspect.isclass(value := getattr(package, name)) or callable(value)) and not inspect.getdoc(value)
    ]
    assert undocumented == []
