"""The ModelKit page: stages, versions, places and timeline of a model, and the passport of each version.

Only assets that Airflow knows can be looked at, by users who may see assets: the page asks no registry that a
reader names.  Everything shown is read from the registry at that moment.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

from airflow.api_fastapi.core_api.security import requires_access_asset
from airflow.models.asset import AssetModel
from airflow.utils.session import create_session
from fastapi import Depends, FastAPI, HTTPException
from fastapi.responses import HTMLResponse
from pydantic import StringConstraints
from sqlalchemy import or_, select

from airflow_kitops._compat import AirflowException
from airflow_kitops.configuration import page_conn_id
from airflow_kitops.hooks import KitOpsHook
from airflow_kitops.model_page_html import document, models_list, repository_page, trail, under, warning
from kitops_orchestration.errors import KitOpsError
from kitops_orchestration.oci.reference import Reference

if TYPE_CHECKING:
    from kitops_orchestration.lineage.timeline import Timeline

DigestText = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]


def create_app() -> FastAPI:
    """Make the application that Airflow's API server mounts."""
    may_see_assets = [Depends(requires_access_asset("GET"))]
    app = FastAPI(title="ModelKits", docs_url=None, redoc_url=None, openapi_url=None, dependencies=may_see_assets)
    app.get("/models", response_class=HTMLResponse)(show_models)
    app.get("/models/{asset_id}", response_class=HTMLResponse)(show_repository)
    app.get("/models/{asset_id}/{digest}", response_class=HTMLResponse)(show_passport)
    return app


def show_models() -> str:
    """List the assets that are ModelKits."""
    with create_session() as session:
        wanted = or_(AssetModel.uri.startswith("oci://"), AssetModel.group == "model")
        found = session.scalars(select(AssetModel).where(wanted).order_by(AssetModel.name)).all()
        rows = [(asset.id, asset.name, asset.uri) for asset in found]
    return document("ModelKits", models_list(rows))


def show_repository(asset_id: int) -> str:
    """Show what a repository holds and what happened to it."""
    where = _repository_of(asset_id)
    return document(where.name, _answered(lambda hook: _repository(hook, asset_id, where)))


def show_passport(asset_id: int, digest: DigestText) -> str:
    """Show the passport of one version."""
    from kitops_orchestration.lineage.passport import passport

    where = _repository_of(asset_id)

    def ask(hook: KitOpsHook) -> str:
        repository = hook.client.repository(where)
        page = passport(repository, digest, trust=hook.trust, limits=hook.settings.limits).to_html()
        return under(trail(("ModelKits", "../../models"), (where.name, f"../{asset_id}")), page)

    return _answered(ask)


def _repository(hook: KitOpsHook, asset_id: int, where: Reference) -> str:
    from kitops_orchestration.lineage.timeline import timeline

    repository = hook.client.repository(where)
    happened = timeline(repository, trust=hook.trust, limits=hook.settings.limits)
    stages = [hook.client.history(where, stage=stage, trust=hook.trust) for stage in _stages(happened)]
    places = hook.client.where_deployed(where, trust=hook.trust)
    return repository_page(asset_id, where, happened, stages, places)


def _stages(happened: Timeline) -> list[str]:
    predicates = [
        event.evidence.statement.predicate
        for event in happened.events
        if event.kind == "promotion" and event.evidence is not None and event.evidence.statement is not None
    ]
    return sorted({str(predicate["toStage"]) for predicate in predicates if predicate.get("toStage")})


def _repository_of(asset_id: int) -> Reference:
    with create_session() as session:
        asset = session.get(AssetModel, asset_id)
        uri = asset.uri if asset is not None else ""
    try:
        return Reference.parse(uri.removeprefix("oci://")).without_target()
    except KitOpsError as error:
        raise HTTPException(404, "this asset is no repository of ModelKits") from error


def _answered(ask: Callable[[KitOpsHook], Any]) -> str:
    try:
        return str(ask(KitOpsHook(page_conn_id())))
    except (KitOpsError, AirflowException) as error:
        return warning(str(error))
