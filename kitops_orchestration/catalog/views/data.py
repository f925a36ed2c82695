"""Data sets: lineage turned round, from the data to the versions that learned from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kitops_orchestration.catalog.words import Mark
from kitops_orchestration.presentation.value_text import counted

if TYPE_CHECKING:
    from kitops_orchestration.catalog.model import Catalog, DataSet, Model, Release
    from kitops_orchestration.lineage.answers.training_data import DataUse


def data_values(site: Catalog, data: DataSet, all_of_them: Sequence[DataSet]) -> dict[str, Any]:
    """Return what the page of a data set shows."""
    running = [
        {"model": model, "release": release, "item": item}
        for model, release, _ in data.uses
        for item in release.passport.running
    ]
    rows = [_row(site, *use) for use in reversed(data.uses)]
    models = {model.name for model, _, _ in data.uses}
    lead = (
        f"{counted(len(data.uses), 'version')} of {counted(len(models), 'model')} name it; "
        f"{counted(len(running), 'place')} {'runs' if len(running) == 1 else 'run'} one of them."
    )
    others = [item for item in all_of_them if item.name == data.name and item.identity != data.identity]
    return {"data": data, "running": running, "rows": rows, "lead": lead, "others": others}


def data_list(data_sets: Sequence[DataSet]) -> dict[str, Any]:
    """Return what the list of data sets shows."""
    rows = [
        {
            "data": item,
            "models": len({model.name for model, _, _ in item.uses}),
            "running": sum(len(release.passport.running) for _, release, _ in item.uses),
        }
        for item in data_sets
    ]
    return {"rows": rows}


def _row(site: Catalog, model: Model, release: Release, use: DataUse) -> dict[str, Any]:
    through = f", through the base model {use.reference.repository}" if use.depth else ""
    if use.said_by == "provenance":
        how = f"the provenance of the run says so{through}"
        is_checked = site.trust_digest is not None
        mark = Mark("good", "Counts") if use.is_verified else Mark("none" if is_checked else "open", "Not checked")
    else:
        how = f"the Kitfile says so, which the digest covers and nobody signed{through}"
        mark = Mark("open", "Declared")
    return {"model": model, "release": release, "stages": model.stages_with(release.digest), "mark": mark, "how": how}
