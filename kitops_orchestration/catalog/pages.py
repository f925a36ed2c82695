"""All files of a site, made of its value: path to content."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from kitops_orchestration.catalog import addresses
from kitops_orchestration.catalog.environment import asset, render
from kitops_orchestration.catalog.views.audit import audit_values, by_month, events_table, month_values
from kitops_orchestration.catalog.views.board import board_pages
from kitops_orchestration.catalog.views.data import data_list, data_values
from kitops_orchestration.catalog.views.model import model_pages, version_script, versions_table
from kitops_orchestration.catalog.views.people import people_values
from kitops_orchestration.catalog.views.search import search_script
from kitops_orchestration.catalog.views.shared import event_rows
from kitops_orchestration.catalog.views.version import version_values

if TYPE_CHECKING:
    from kitops_orchestration.catalog.model import Catalog, DataSet, Model
    from kitops_orchestration.presentation.page import Link

ASSETS = (addresses.STYLE, addresses.SCRIPT, addresses.ICON)


def site_files(site: Catalog, *, above: Link | None = None) -> Iterator[tuple[str, bytes]]:
    """Yield every file of the site with its path, one at a time.

    ``above`` leads out of the site to the page that it belongs to; its address begins at the site's own folder.

    Raises:
        MissingExtraError: Jinja2 is not installed.
    """
    events, data_sets = event_rows(site), site.data_sets()
    for path, text in _texts(site, events, data_sets, above):
        yield path, text.encode("utf-8", "replace")
    for name in ASSETS:
        yield name, asset(name)


def _texts(
    site: Catalog, events: list[Any], data_sets: tuple[DataSet, ...], above: Link | None
) -> Iterator[tuple[str, str]]:
    def page(template: str, path: str, values: dict[str, Any]) -> tuple[str, str]:
        return path, render(template, path, {"site": site, "above": above, **values})

    for path, values in board_pages(site, events):
        yield page("board.html", path, values)
    for model in site.models:
        for path, values in model_pages(site, model):
            yield page("model.html", path, values)
        yield from _of_model(site, model, page)
    for item in data_sets:
        yield page("data.html", addresses.data_page(item.identity), data_values(site, item, data_sets))
    yield page("datasets.html", addresses.DATA_SETS, data_list(data_sets))
    yield page("people.html", addresses.PEOPLE, people_values(events))
    months = by_month(events)
    yield page("audit.html", addresses.AUDIT, audit_values(site, months))
    yield addresses.audit_csv("all"), events_table(events)
    for month, rows in months.items():
        yield page("audit.html", addresses.audit_page(month), month_values(month, rows))
        yield addresses.audit_csv(month), events_table(rows)
    yield addresses.SEARCH_ROWS, search_script(site, data_sets, events)
    yield addresses.SUMMARY, json.dumps(site.to_json(), indent=2, default=str) + "\n"


def _of_model(site: Catalog, model: Model, page: Any) -> Iterator[tuple[str, str]]:
    if not model.releases:
        return
    second = model.releases[-1]
    first = model.before(second) or second
    ends = {"model": model, "first": first.digest, "second": second.digest}
    yield page("compare.html", addresses.compare_page(model.name), ends)
    yield addresses.versions_csv(model.name), versions_table(model)
    for release in model.releases:
        path = addresses.version_page(model.name, release.digest)
        yield page("version.html", path, version_values(site, model, release))
        yield addresses.version_data(model.name, release.digest), version_script(release)
