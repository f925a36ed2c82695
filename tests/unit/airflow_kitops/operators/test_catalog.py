"""The catalog as a task: published, counted, and red where a repository could not be read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_kitops.hooks import KitOpsHook
from airflow_kitops.operators import KitCatalogOperator, KitPackOperator

pytest.importorskip("jinja2")

POLICY = """\
version: 1
stages:
  production:
    checks: [{cardComplete: [limitations]}]
"""


@pytest.fixture
def promoted(context_dir: Path, signing_connection: Path) -> str:
    packed = KitPackOperator(task_id="pack", context_dir=str(context_dir), push_to="team/iris:v1").execute({})
    KitOpsHook().client.tag(packed["reference"], "production")
    (signing_connection / "promotion.yaml").write_text(POLICY)
    return str(signing_connection / "promotion.yaml")


def test_a_task_publishes_the_catalog_with_todays_verdicts(promoted: str, registry: str, tmp_path: Path) -> None:
    task = KitCatalogOperator(task_id="catalog", places=registry, into=str(tmp_path / "site"), policy=promoted)
    facts = task.execute({})
    told = json.loads((tmp_path / "site" / "catalogue.json").read_text())
    assert (facts["modelCount"], facts["versionCount"], facts["redCount"]) == (1, 1, 1)
    assert told["models"][0]["stages"][0]["state"] == "red"
    assert facts["files"] == sum(path.is_file() for path in (tmp_path / "site").rglob("*"))
    assert json.loads(json.dumps(facts)) == facts
    again = KitCatalogOperator(task_id="catalog", places=[registry], into=str(tmp_path / "site"), policy=promoted)
    assert again.execute({})["state"] == facts["state"]


def test_what_could_not_be_read_fails_the_task_after_the_rest_was_published(
    promoted: str, registry: str, tmp_path: Path
) -> None:
    folder = Path(registry.removeprefix("file://")) / "team" / "broken"
    folder.mkdir(parents=True)
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (folder / "index.json").write_text("{")
    task = KitCatalogOperator(task_id="catalog", places=registry, into=str(tmp_path / "site"))
    with pytest.raises(AirflowFailException, match="team/broken"):
        task.execute({})
    assert (tmp_path / "site" / "m" / "team" / "iris" / "index.html").is_file()


def test_a_folder_with_somebody_elses_files_stays(promoted: str, registry: str, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years")
    with pytest.raises(AirflowFailException, match="no catalog wrote"):
        KitCatalogOperator(task_id="catalog", places=registry, into=str(tmp_path / "mine")).execute({})
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years"
