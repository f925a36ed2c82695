from __future__ import annotations

import importlib.metadata
import json
from importlib.resources import files

import jsonschema
import pytest
from airflow.providers.common.compat.module_loading import import_string

from airflow_kitops.get_provider_info import get_provider_info


@pytest.mark.parametrize("schema", ["provider_info.schema.json", "provider.yaml.schema.json"])
def test_provider_info_follows_airflows_schema(schema: str) -> None:
    definition = json.loads(files("airflow").joinpath(schema).read_text())
    info = get_provider_info()
    if schema.startswith("provider.yaml"):
        # Fields of Airflow's own release process, which no other package has.
        definition["required"] = [name for name in definition.get("required", []) if name in info]
        if "cli" not in definition["properties"]:
            del info["cli"]  # Airflow 3.1 does not know it yet, and only this schema of its developers minds
    jsonschema.validate(info, definition)


def test_the_entry_point_gives_the_provider_info() -> None:
    (entry,) = importlib.metadata.distribution("kitops-orchestration").entry_points.select(
        group="apache_airflow_provider"
    )
    assert entry.load()() == get_provider_info()
    assert get_provider_info()["package-name"] == "kitops-orchestration"


def _class_names(value: object) -> list[str]:
    if isinstance(value, str):
        return [value] if value.startswith("airflow_kitops.") else []
    if isinstance(value, dict):
        value = list(value.values())
    return [name for part in value for name in _class_names(part)] if isinstance(value, list) else []


def test_everything_that_is_named_can_be_imported() -> None:
    for name in _class_names(get_provider_info()):
        try:
            import_string(name)
        except ImportError:
            importlib.import_module(name)


def test_every_operator_module_is_listed() -> None:
    from airflow_kitops import operators

    (listed,) = (entry["python-modules"] for entry in get_provider_info()["operators"])
    assert {getattr(operators, name).__module__ for name in operators.__all__} == set(listed)


def test_every_secret_field_has_a_name_that_airflow_masks() -> None:
    masker = pytest.importorskip("airflow.sdk._shared.secrets_masker", reason="before Airflow 3.2 it is elsewhere")
    secret = {
        name
        for connection in get_provider_info()["connection-types"]
        for name, field in connection["conn-fields"].items()
        if field["schema"].get("format") == "password" or "private" in name or "token" in name
    }
    assert {name for name in secret if not any(word in name for word in masker.DEFAULT_SENSITIVE_FIELDS)} == set()
