"""The ModelKit page: stages, versions, places and timeline of a model, and the passport of each version.

Only assets that Airflow knows can be looked at, by users who may see assets: the page asks no registry that a
reader names.  Everything shown is read from the registry at that moment.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

from airflow.api_fastapi.core_api.security import requires_access_asset
from airflow.models.asset import AssetModel
from airflow.utils.session import create_session
from fastapi import Depends, FastAPI, HTTPException
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import StringConstraints
from sqlalchemy import or_, select

from airflow_kitops._compat import AirflowException
from airflow_kitops.configuration import page_conn_id
from airflow_kitops.hooks import KitOpsHook
from airflow_kitops.ui.live_site import LiveSite
from kitops_orchestration.errors import KitOpsError
from kitops_orchestration.oci.descriptor import Digest
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.presentation import html
from kitops_orchestration.presentation.page import Code, Link, Page, Paragraph, Section, Table
from kitops_orchestration.promotion.overview import VersionLink

DigestText = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]


_MOST_SITES = 8


def create_app() -> FastAPI:
    """Make the application that Airflow's API server mounts."""
    may_see_assets = [Depends(requires_access_asset("GET"))]
    app = FastAPI(title="ModelKits", docs_url=None, redoc_url=None, openapi_url=None, dependencies=may_see_assets)
    app.get("/logo.svg", response_class=Response)(show_logo)
    app.get("/modelkit", response_class=HTMLResponse, response_model=None)(find_passport)
    app.get("/models", response_class=HTMLResponse)(show_models)
    app.get("/models/{asset_id}", response_class=HTMLResponse)(show_repository)
    app.get("/models/{asset_id}/catalog/{path:path}", response_model=None)(LiveSites().show)
    app.get("/models/{asset_id}/{digest}", response_class=HTMLResponse)(show_passport)
    return app


def show_logo() -> Response:
    """Return the picture that Airflow's menu and its list of providers show."""
    return Response(Path(__file__).with_name("logo.svg").read_bytes(), media_type="image/svg+xml")


class LiveSites:
    """The catalog's own pages about the repository of one asset, read from the registry when they are looked at."""

    def __init__(self) -> None:
        self._sites: dict[int, LiveSite] = {}
        self._lock = threading.Lock()

    def show(self, asset_id: int, path: str) -> Response:
        """Return a page, or a file that belongs to one."""
        where = _repository_of(asset_id)
        with self._lock:
            while len(self._sites) >= _MOST_SITES and asset_id not in self._sites:
                self._sites.pop(next(iter(self._sites)), None)  # memory stays bounded, whatever readers look at
            site = self._sites.setdefault(asset_id, LiveSite())
        try:
            above = Link("ModelKit", f"../../{asset_id}")  # a frame of another program has no back button
            return site.answer(
                where.name, path, lambda: KitOpsHook(page_conn_id()).client.bare.catalog(where), above=above
            )
        except (KitOpsError, AirflowException) as error:
            return HTMLResponse(html.render(warning_page(str(error))), status_code=502)


def show_models() -> str:
    """List the assets that are ModelKits."""
    with create_session() as session:
        wanted = or_(AssetModel.uri.startswith("oci://"), AssetModel.group == "model")
        found = session.scalars(select(AssetModel).where(wanted).order_by(AssetModel.name)).all()
        rows = [(asset.id, asset.name, asset.uri) for asset in found if _named_repository(asset.uri) is not None]
    return html.render(models_page(rows))


def find_passport(uri: str, digest: DigestText) -> HTMLResponse | RedirectResponse:
    """Lead from a task's link to the passport of its ModelKit, where an asset of Airflow is its repository."""
    with create_session() as session:
        # An asset may be one tag of the repository; the one that is all of it sorts before.
        tagged = AssetModel.uri.startswith(f"{uri}:", autoescape=True)
        wanted = select(AssetModel.id).where(or_(AssetModel.uri == uri, tagged)).order_by(AssetModel.uri).limit(1)
        found = session.scalars(wanted).first()
    if found is not None:
        return RedirectResponse(f"models/{found}/{digest}")
    text = f"No asset of Airflow is {uri}: declare one with modelkit_asset(…), for example as an outlet of the task."
    page = Page.of("ModelKits", Section.of("There is no page of this ModelKit", Paragraph.of(text)))
    return HTMLResponse(html.render(page, trail=[Link("ModelKits", "models")]), status_code=404)


def show_repository(asset_id: int) -> str:
    """Show what a repository holds and what happened to it."""
    where = _repository_of(asset_id)

    def ask(hook: KitOpsHook) -> str:
        page = hook.client.bare.overview(where).page(version_link(asset_id))
        return html.render(
            page, trail=[Link("ModelKits", "../models"), Link("Catalog", f"{asset_id}/catalog/index.html")]
        )

    return _answered(ask)


def show_passport(asset_id: int, digest: DigestText) -> str:
    """Show the passport of one version."""
    where = _repository_of(asset_id)
    trail = [Link("ModelKits", "../../models"), Link(where.name, f"../{asset_id}")]

    def ask(hook: KitOpsHook) -> str:
        found = hook.client.bare.passport(where.with_digest(digest))
        return html.render(found.page(), trail=trail)

    return _answered(ask)


def version_link(asset_id: int) -> VersionLink:
    """Return what leads from a repository's page to the passport of a version."""
    return lambda digest: Link(Digest(digest).short, f"{asset_id}/{digest}", is_code=True)


def models_page(assets: Sequence[tuple[int, str, str]]) -> Page:
    """Return the list of models: id, name and URI of their assets."""
    rows = [(Link(name, f"models/{number}"), Code(uri)) for number, name, uri in assets]
    empty = "No asset is a ModelKit yet: declare one with modelkit_asset(…)."
    return Page.of("ModelKits", Table.of(("model", "repository"), rows, empty=empty))


def warning_page(text: str) -> Page:
    """Return why there is nothing to see."""
    return Page.of("ModelKits", Section.of("The registry did not answer", Paragraph.of(text)))


def _repository_of(asset_id: int) -> Reference:
    with create_session() as session:
        asset = session.get(AssetModel, asset_id)
        uri = asset.uri if asset is not None else ""
    where = _named_repository(uri)
    if where is None:
        raise HTTPException(404, "this asset is no repository of ModelKits")
    return where


def _named_repository(uri: str) -> Reference | None:
    """Return the repository that an asset's URI names; ``None`` for what is none, as a model of MLflow."""
    try:
        return Reference.parse(uri.removeprefix("oci://")).without_target()
    except KitOpsError:
        return None


def _answered(ask: Callable[[KitOpsHook], Any]) -> str:
    try:
        return str(ask(KitOpsHook(page_conn_id())))
    except (KitOpsError, AirflowException) as error:
        return html.render(warning_page(str(error)))
