from __future__ import annotations

from pathlib import Path

import pytest

from airflow_kitops.hooks import KitOpsHook
from airflow_kitops.model_page_html import document, models_list, repository_page, trail, under, warning
from airflow_kitops.operators import KitPackOperator, KitPromoteOperator, KitRecordDeploymentOperator


@pytest.fixture
def page(context_dir: Path, signing_connection: Path) -> str:
    from kitops_orchestration.lineage.timeline import timeline

    packed = KitPackOperator(task_id="pack", context_dir=str(context_dir), push_to="team/iris:v1").execute({})
    promoted = KitPromoteOperator(task_id="promote", reference=packed, stage="staging").execute({})
    KitRecordDeploymentOperator(
        task_id="record", reference=promoted, environment="test<script>", target={"kind": "vm", "name": "host-1"}
    ).execute({})
    hook = KitOpsHook()
    where = hook.complete("team/iris")
    happened = timeline(hook.client.repository(where), trust=hook.trust)
    stages = [hook.client.history(where, stage="staging", trust=hook.trust)]
    return repository_page(7, where, happened, stages, hook.client.where_deployed(where, trust=hook.trust))


def test_the_page_shows_stages_versions_places_and_the_timeline(page: str) -> None:
    digest = str(KitOpsHook().resolve("team/iris:v1").digest)
    assert page.count(f'<a href="7/{digest}">') >= 4
    for text in ("staging", "v1", "host-1", "promotion", "verified: airflow"):
        assert text in page


def test_tags_for_programs_and_empty_columns_are_not_shown(page: str) -> None:
    assert "deploy-" not in page
    assert "<th>gaps</th>" not in page
    assert "<td>1 promotion</td>" in page


def test_a_gap_in_a_stages_history_is_shown(page: str, context_dir: Path) -> None:
    from kitops_orchestration.lineage.timeline import timeline

    hook = KitOpsHook()
    (context_dir / "model.bin").write_bytes(b"pushed by hand")
    hook.pack(context_dir, "team/iris:staging")
    where = hook.complete("team/iris")
    stages = [hook.client.history(where, stage="staging", trust=hook.trust)]
    happened = timeline(hook.client.repository(where), trust=hook.trust)
    shown = repository_page(7, where, happened, stages, hook.client.where_deployed(where, trust=hook.trust))
    assert "<th>gaps</th>" in shown
    assert "no promotion statement that counts says how it came there" in shown


def test_every_page_leads_back(page: str) -> None:
    assert '<a href="../models">ModelKits</a>' in page
    way = trail(("a<b", "../1"))
    assert under(way, "<main>passport</main>") == f"<main>{way}passport</main>"
    assert "a&lt;b" in way


def test_what_registries_say_is_escaped(page: str) -> None:
    assert "test<script>" not in page
    assert "test&lt;script&gt;" in page


def test_a_whole_page_is_not_wrapped_again() -> None:
    assert document("x", warning("<b>down</b>")) == warning("<b>down</b>")
    assert "&lt;b&gt;down" in warning("<b>down</b>")


def test_the_list_links_to_each_model() -> None:
    assert '<a href="models/3">wine</a>' in models_list([(3, "wine", "oci://ghcr.io/team/wine")])
    assert "modelkit_asset" in models_list([])
