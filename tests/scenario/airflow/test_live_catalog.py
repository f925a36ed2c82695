"""The catalog's pages inside of Airflow: the same as on a disk, of the repository of an asset alone."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

import pytest
from airflow.models.asset import AssetModel
from fastapi import HTTPException
from sqlalchemy import create_engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool

from airflow_kitops.hooks import KitOpsHook
from airflow_kitops.operators import KitPackOperator, KitPromoteOperator
from airflow_kitops.ui import model_page
from airflow_kitops.ui.live_site import FRESH_SECONDS, LiveSite
from kitops_orchestration.errors import KitOpsError
from kitops_orchestration.presentation.page import Link

pytest.importorskip("jinja2")

ABOVE = Link("ModelKit", "../../7")


@pytest.fixture
def packed(context_dir: Path, signing_connection: Path, registry: str, monkeypatch: pytest.MonkeyPatch) -> dict:
    facts = KitPackOperator(task_id="pack", context_dir=str(context_dir), push_to="team/iris:v1").execute({})
    KitPromoteOperator(task_id="promote", reference=facts, stage="staging").execute({})
    KitPackOperator(task_id="pack", context_dir=str(context_dir), push_to="secret/other:v1").execute({})
    database = create_engine("sqlite://", poolclass=StaticPool)
    AssetModel.__table__.create(database)
    with Session(database) as session:
        rows = {"id": 7, "name": "iris", "uri": f"{registry}/team/iris", "group": "model", "extra": {}}
        session.execute(AssetModel.__table__.insert().values(**rows))
        session.commit()
    monkeypatch.setattr(model_page, "create_session", lambda: Session(database))  # Airflow's own, without its database
    return facts


def test_the_pages_are_those_of_the_catalog_on_a_disk(packed: dict, tmp_path: Path) -> None:
    sites = model_page.LiveSites()
    where = packed["reference"].partition("@")[0].removesuffix(":v1")
    KitOpsHook().client.catalog(where, into=tmp_path / "site")
    on_disk = {
        path.relative_to(tmp_path / "site").as_posix() for path in (tmp_path / "site").rglob("*") if path.is_file()
    }
    for path in on_disk:
        live = sites.show(7, path)
        content = (tmp_path / "site" / path).read_bytes()
        moment = re.compile(rb"20\d\d-\d\d-\d\d[T ]\d\d:\d\d(?::\d\dZ)?")
        if path != "catalogue.json":  # it says into which folder it was written
            back = re.compile(rb'<li><a href="[./]*\.\./\.\./7">ModelKit</a></li>')
            body, links = back.subn(b"", live.body)
            assert moment.sub(b"", body) == moment.sub(b"", content), path
            assert links == path.endswith(".html")
        assert "frame-ancestors 'self'" in live.headers["content-security-policy"]
    assert sites.show(7, "").headers["content-type"].startswith("text/html")
    assert sites.show(7, "style.css").headers["content-type"].startswith("text/css")
    (version,) = [path for path in on_disk if "/-/v/" in path and path.endswith(".html")]
    assert packed["digest"][7:19].encode() in sites.show(7, version).body


@pytest.mark.parametrize(
    "path", ["../../etc/passwd", "/etc/passwd", "m/secret/other/index.html", "x\0", "catalogue.js/.."]
)
def test_no_other_path_and_no_other_repository_is_shown(packed: dict, path: str) -> None:
    with pytest.raises(HTTPException) as caught:
        model_page.LiveSites().show(7, path)
    assert caught.value.status_code == 404
    assert b"secret" not in model_page.LiveSites().show(7, "index.html").body


def test_where_nothing_is_judged_it_says_what_that_takes(packed: dict) -> None:
    """The connection has a trust policy: that none was given is not true."""
    sites = model_page.LiveSites()
    board = sites.show(7, "index.html").body.decode()
    address = re.findall(r'href="(m/[^"]*/-/v/[^"]*)"', board)[0]
    version = sites.show(7, html.unescape(address)).body.decode()
    assert "Nothing is judged: that takes a promotion policy and a trust policy." in board
    assert "That takes a promotion policy and a trust policy." in version
    assert "policy.." not in version
    assert "trust policy were given" not in board + version


def test_the_registry_is_asked_once_while_somebody_clicks_through(packed: dict) -> None:
    now = [1000.0]
    asked: list[int] = []
    site = LiveSite(clock=lambda: now[0])

    def read():
        asked.append(1)
        return KitOpsHook().client.catalog(packed["reference"].partition("@")[0].removesuffix(":v1"))

    for _ in range(3):
        site.answer("team/iris", "index.html", read, above=ABOVE)
    assert len(asked) == 1
    now[0] += FRESH_SECONDS + 1
    site.answer("team/iris", "index.html", read, above=ABOVE)
    site.answer("team/another", "index.html", read, above=ABOVE)
    assert len(asked) == 3


def test_a_registry_that_does_not_answer_is_said(packed: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = {"conn_type": "kitops", "extra": {"trust_policy": "/nowhere/<trust>.yaml"}}
    monkeypatch.setenv("AIRFLOW_CONN_KITOPS_DEFAULT", json.dumps(broken))
    found = model_page.LiveSites().show(7, "index.html")
    assert found.status_code == 502
    assert b"&lt;trust&gt;.yaml" in found.body


def test_readers_that_waited_for_a_failure_do_not_each_wait_for_their_own() -> None:
    now, asked = [0.0], []

    def read():
        asked.append(now[0])
        raise KitOpsError("the registry does not answer")

    site = LiveSite(clock=lambda: now[0])
    for _ in range(8):
        with pytest.raises(KitOpsError):
            site.answer("registry.example/iris", "", read, above=ABOVE)
    assert asked == [0.0]
    now[0] += 6
    with pytest.raises(KitOpsError):
        site.answer("registry.example/iris", "", read, above=ABOVE)
    assert asked == [0.0, 6.0]
