"""A predicate is one row in one registry, and what the row says is true."""

from __future__ import annotations

import importlib

import pytest

from kitops_orchestration.signing import predicate_types
from kitops_orchestration.signing.predicate_types import REGISTRY, PredicateType


@pytest.mark.parametrize("row", [row for row in REGISTRY if row.reader], ids=lambda row: row.short_name)
def test_the_reader_of_a_row_reads_that_type(row: PredicateType) -> None:
    module, _, name = str(row.reader).partition(":")
    reader = getattr(importlib.import_module(f"kitops_orchestration.{module}"), name)
    assert reader.predicate_type == row.uri
    assert callable(reader.from_json)


def test_every_type_that_has_a_name_here_has_one_row() -> None:
    named = {
        value
        for name, value in vars(predicate_types).items()
        if name.isupper() and isinstance(value, str) and name != "OURS" and not name.startswith("_")
    }
    uris = [row.uri for row in REGISTRY]
    assert sorted(uris) == sorted(named)
    names = [name for row in REGISTRY for name in (row.short_name, *row.other_names)]
    assert len(names) == len(set(names))
