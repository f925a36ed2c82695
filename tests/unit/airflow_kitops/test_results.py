"""What goes to XCom is a part of what the core answers: the same names, types and values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airflow_kitops import results
from airflow_kitops.hooks import KitOpsHook
from airflow_kitops.operators import KitDiffOperator, KitInspectOperator, KitValidateOperator

OF_AIRFLOW = {"repository", "tag", "layerCount", "removedCount", "keptCount"}
"""Parts of the reference, and counts; the core's answers have what they are made from."""


def own_members(given: dict[str, Any], answer: dict[str, Any]) -> set[str]:
    """Return the members that only Airflow's mapping has; what both have must be equal."""
    both = given.keys() & answer.keys()
    assert {name: given[name] for name in both} == {name: answer[name] for name in both}
    return given.keys() - both


@pytest.fixture
def versions(context_dir: Path, registry: str) -> dict[str, Any]:
    hook = KitOpsHook()
    first = hook.client.pack(context_dir, "team/iris:v1")
    (context_dir / "model.bin").write_bytes(b"better weights")
    return {"first": first, "second": hook.client.pack(context_dir, "team/iris:v2")}


def test_what_was_done_is_told_with_the_cores_names_and_values(versions, tmp_path: Path) -> None:
    client, first = KitOpsHook().client, versions["first"]
    told = [
        (results.packed(first), first),
        (results.inspected(found := client.inspect(first.reference)), found),
        (results.validated(found := client.validate(first.reference)), found),
        (results.copied(found := client.copy(first.reference, "team/other:v1")), found),
        (results.unpacked(found := client.unpack(first.reference, tmp_path / "out")), found),
        (results.promoted(found := client.promote(first.reference, stage="staging")), found),
    ]
    for given, answer in told:
        assert own_members(given, answer.to_json()) <= OF_AIRFLOW
        assert not [name for name in given if "_" in name]
        assert len(given) > len(OF_AIRFLOW & given.keys()) + 2


def test_what_a_task_returns_is_what_the_client_answers(versions) -> None:
    client = KitOpsHook().client
    first, second = (str(versions[name].reference) for name in ("first", "second"))
    inspected = KitInspectOperator(task_id="inspect", reference=first).execute({})
    validated = KitValidateOperator(task_id="validate", reference=first).execute({})
    compared = KitDiffOperator(task_id="diff", left=first, right=second).execute({})
    assert own_members(inspected, client.inspect(first).to_json()) <= OF_AIRFLOW
    assert own_members(validated, client.validate(first).to_json()) <= OF_AIRFLOW
    assert compared == client.diff(first, second).to_json()
    assert compared["layers"][0]["change"] == "changed"
