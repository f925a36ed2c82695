"""The metrics in a Kitfile, as far as a promotion may rest on them.

An export from MLflow writes ``metrics`` into ``model.parameters.mlflow``, and beside them ``metric_doubts``: numbers
that may be another model's, each with the reason.  Those decide nothing; neither does a key that was measured on
several datasets, unless the check names one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from kitops_orchestration.promotion.checks.facts import kitfile_mlflow

if TYPE_CHECKING:
    from kitops_orchestration.modelkit.inspect import ModelKit


def kitfile_metric(kit: ModelKit, name: str, dataset: str | None = None) -> tuple[Decimal | None, str]:
    """Return a metric and where it stands, or ``None`` and the reason that there is no number to rest on.

    ``dataset`` is a name, or a name and MLflow's digest as ``name@digest``.
    """
    mlflow = kitfile_mlflow(kit)
    if dataset is not None:
        return _on_dataset(mlflow, name, dataset)
    doubt = _mapping(mlflow.get("metric_doubts")).get(name)
    if doubt is not None:
        return None, f"{name} is in doubt: {doubt}"
    stated = _mapping(mlflow.get("metrics")).get(name)
    value = as_number(stated)
    if value is not None:
        return value, "Kitfile"
    return None, f"no metric {name} is stated" if stated is None else f"{name} is no number: {stated}"


_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)
"""A decimal number as people and JSON write it; Python reads more, as ``0_99`` for 99."""
_LONGEST_NUMBER = 100


def as_number(value: Any) -> Decimal | None:
    """Return a finite number, or ``None`` for everything else."""
    text = str(value).strip()
    if isinstance(value, bool) or len(text) > _LONGEST_NUMBER or not _NUMBER.fullmatch(text):
        return None
    return Decimal(text)


def _on_dataset(mlflow: Mapping[str, Any], name: str, dataset: str) -> tuple[Decimal | None, str]:
    listed = mlflow.get("metrics_by_dataset")
    entries = [item for item in listed if isinstance(item, Mapping)] if isinstance(listed, list) else []
    found = [
        item
        for item in entries
        if item.get("name") == name and dataset in (item.get("dataset"), f"{item.get('dataset')}@{item.get('digest')}")
    ]
    if not found:
        return None, f"no metric {name} on dataset {dataset} is stated"
    if len(found) > 1:
        digests = ", ".join(str(item.get("digest")) for item in found)
        return (
            None,
            f"{name} was measured on {len(found)} datasets named {dataset} ({digests}): name one as name@digest",
        )
    if found[0].get("doubt"):
        return None, f"{name} on {dataset} is in doubt: {found[0]['doubt']}"
    value = as_number(found[0].get("value"))
    return (value, "Kitfile") if value is not None else (None, f"{name} on {dataset} is no number: {found[0]['value']}")


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
