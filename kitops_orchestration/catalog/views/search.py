"""The rows that search looks through: what, name, more, address, and what else leads to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kitops_orchestration.catalog import addresses
from kitops_orchestration.catalog.views.model import script_call
from kitops_orchestration.catalog.views.shared import EventRow
from kitops_orchestration.catalog.words import day
from kitops_orchestration.presentation.value_text import counted

if TYPE_CHECKING:
    from kitops_orchestration.catalog.model import Catalog, DataSet

Row = list[str]
MOST_VERSIONS = 200
"""Versions of a model that can be found where there are too many for all."""
_MANY = 20_000


def search_script(site: Catalog, data_sets: Sequence[DataSet], events: Sequence[EventRow]) -> str:
    """Return the script that a page loads when somebody begins to search."""
    total = sum(len(model.releases) for model in site.models)
    most = MOST_VERSIONS if total > _MANY else total
    rows: list[Row] = []
    licences: dict[str, str] = {}
    for model in site.models:
        if model.newest is None:
            continue
        page = addresses.model_page(model.name)
        passport = model.newest.passport
        licences.setdefault(passport.licence, page)
        about = " ".join([passport.licence, *passport.version.kit.kitfile.package.authors])
        rows.append(["model", model.name, passport.description[:120], page, about])
        for item in model.releases[-most:]:
            digest = item.digest.partition(":")[2]
            target = addresses.version_page(model.name, item.digest)
            more = f"{' '.join(item.tags[:4])} · {day(item.time)} · {digest[:16]}"
            rows.append(["version", f"{model.name} {item.name}", more, target, digest[16:]])
    for item_of in data_sets:
        used = f"{counted(len(item_of.uses), 'version')} · {item_of.identity}"
        rows.append(["data", item_of.name, used, addresses.data_page(item_of.identity)])
    names = sorted({row.by for row in events if row.evidence is not None})
    rows += [["person", name, "signed statements", addresses.PEOPLE] for name in names]
    rows += [["licence", name, "a model with it", page] for name, page in sorted(licences.items()) if name]
    return script_call("index", rows)
