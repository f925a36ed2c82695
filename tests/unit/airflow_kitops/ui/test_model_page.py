from __future__ import annotations

import re
from pathlib import Path

import pytest
from airflow.models.asset import AssetModel
from sqlalchemy import create_engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool

from airflow_kitops.hooks import KitOpsHook
from airflow_kitops.operators import KitPackOperator, KitPromoteOperator, KitRecordDeploymentOperator
from airflow_kitops.ui import model_page
from airflow_kitops.ui.model_page import models_page, version_link, warning_page
from kitops_orchestration.presentation import html


def shown() -> str:
    hook = KitOpsHook()
    found = hook.client.overview(hook.client.reference("team/iris"))
    return html.render(found.page(version_link(7)))


@pytest.fixture
def page(context_dir: Path, signing_connection: Path) -> str:
    packed = KitPackOperator(task_id="pack", context_dir=str(context_dir), push_to="team/iris:v1").execute({})
    promoted = KitPromoteOperator(task_id="promote", reference=packed, stage="staging").execute({})
    KitRecordDeploymentOperator(
        task_id="record", reference=promoted, environment="test<script>", target={"kind": "vm", "name": "host-1"}
    ).execute({})
    return shown()


def test_the_page_shows_stages_versions_places_and_the_timeline(page: str) -> None:
    digest = str(KitOpsHook().client.resolve("team/iris:v1").digest)
    assert page.count(f'<a href="7/{digest}">') >= 4
    for text in ("staging", "v1", "host-1", "promotion", "verified: airflow"):
        assert text in page


def test_tags_for_programs_and_empty_columns_are_not_shown(page: str) -> None:
    assert "deploy-" not in page
    assert "<th>gaps</th>" not in page
    assert '<td data-label="history">1 promotion</td>' in page


def test_a_gap_in_a_stages_history_is_shown(page: str, context_dir: Path) -> None:
    hook = KitOpsHook()
    (context_dir / "model.bin").write_bytes(b"pushed by hand")
    hook.client.pack(context_dir, "team/iris:staging")
    later = shown()
    assert "<th>gaps</th>" in later
    assert "no promotion statement that counts says how it came there" in later


def test_the_overview_is_one_value_for_every_form(page: str) -> None:
    hook = KitOpsHook()
    found = hook.client.overview(hook.client.reference("team/iris"))
    assert [item["stage"] for item in found.to_json()["stages"]] == ["staging"]
    assert "| staging | " in found.to_markdown()


def test_what_registries_say_is_escaped(page: str) -> None:
    assert "test<script>" not in page
    assert "test&lt;script&gt;" in page


def test_what_went_wrong_is_escaped() -> None:
    assert "&lt;b&gt;down" in html.render(warning_page("<b>down</b>"))


def test_the_list_links_to_each_model() -> None:
    listed = html.render(models_page([(3, "wine", "oci://ghcr.io/team/wine")]))
    assert '<a href="models/3">wine</a>' in listed
    assert "modelkit_asset" in html.render(models_page([]))


def assets(monkeypatch: pytest.MonkeyPatch, *uris: str) -> None:
    """Airflow's own table of assets, numbered from 7, without Airflow's database."""
    database = create_engine("sqlite://", poolclass=StaticPool)
    AssetModel.__table__.create(database)
    with Session(database) as session:
        rows = [
            {"id": 7 + at, "name": f"{at} iris", "uri": uri, "group": "model", "extra": {}}
            for at, uri in enumerate(uris)
        ]
        session.execute(AssetModel.__table__.insert(), rows)
        session.commit()
    monkeypatch.setattr(model_page, "create_session", lambda: Session(database))


def test_the_list_leaves_out_what_has_no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = "file:///srv/models/team/iris"
    assets(
        monkeypatch, "mlflow://mlflow_default/models/iris@champion", "oci://reg.example/team/iris:production", folder
    )
    assert re.findall(r'href="models/(\d+)"', model_page.show_models()) == ["8", "9"]


@pytest.mark.parametrize(
    ("uris", "found"),
    [
        (["oci://reg.example/team/iris2", "oci://reg.example/team/iris:production"], 8),
        (["oci://reg.example/team/iris:production", "oci://reg.example/team/iris"], 8),
    ],
)
def test_an_asset_that_is_one_tag_of_the_repository_has_its_page_too(
    monkeypatch: pytest.MonkeyPatch, uris: list[str], found: int
) -> None:
    assets(monkeypatch, *uris)
    led = model_page.find_passport("oci://reg.example/team/iris", "sha256:" + "a" * 64)
    assert led.headers["location"].startswith(f"models/{found}/")


def test_a_tasks_link_leads_to_the_passport_of_an_asset_and_to_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    assets(monkeypatch, "oci://reg.example/team/iris")
    digest = "sha256:" + "a" * 64

    known = model_page.find_passport("oci://reg.example/team/iris", digest)
    unknown = model_page.find_passport("oci://evil.example/<b>", digest)

    assert (known.status_code, known.headers["location"]) == (307, f"models/7/{digest}")
    assert unknown.status_code == 404
    assert b"evil.example/&lt;b&gt;" in unknown.body


def test_the_logo_is_served_where_airflow_is_told_that_it_is() -> None:
    from airflow_kitops.get_provider_info import get_provider_info
    from airflow_kitops.ui.plugin import KitOpsPlugin

    prefix = KitOpsPlugin.fastapi_apps[1]["url_prefix"]
    (integration,) = get_provider_info()["integrations"]
    assert integration["logo"] == KitOpsPlugin.external_views[0]["icon"] == f"{prefix}/logo.svg"
    assert "/logo.svg" in {getattr(route, "path", "") for route in model_page.create_app().routes}
    answer = model_page.show_logo()
    assert answer.media_type == "image/svg+xml"
    assert answer.body == (Path(__file__).resolve().parents[4] / "docs" / "pictures" / "logo.svg").read_bytes()
