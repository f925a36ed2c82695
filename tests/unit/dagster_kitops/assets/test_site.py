"""The catalog as an asset: published, counted, and of one version as long as nothing changes."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from dagster_kitops import build_catalog_asset, modelkit_asset

pytest.importorskip("jinja2")


@pytest.fixture
def iris(context_dir: Path):
    @modelkit_asset(repository="team/iris")
    def iris():
        return context_dir

    return iris


def test_an_asset_publishes_the_catalog_after_what_it_depends_on(run, kitops, iris, tmp_path) -> None:
    site = build_catalog_asset(places=kitops.registry, into=tmp_path / "site", deps=[iris])
    result = run([iris, site])
    (event,) = result.asset_materializations_for_node("modelkit_catalog")
    assert event.metadata["kitops/models"].value == 1
    assert event.metadata["kitops/versions"].value == 1
    assert event.metadata["kitops/red_stages"].value == 0
    assert Path(event.metadata["kitops/site"].value).is_file()
    assert (tmp_path / "site" / "m" / "team" / "iris" / "index.html").is_file()
    (again,) = run([site]).asset_materializations_for_node("modelkit_catalog")
    assert again.tags["dagster/data_version"] == event.tags["dagster/data_version"]


def test_what_could_not_be_read_fails_the_step_after_the_rest_was_recorded(run, kitops, iris, tmp_path) -> None:
    run([iris])
    folder = Path(kitops.registry.removeprefix("file://")) / "team" / "broken"
    folder.mkdir(parents=True)
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (folder / "index.json").write_text("{")
    site = build_catalog_asset(places=kitops.registry, into=tmp_path / "site", key=["docs", "models"])
    result = run([site], raise_on_error=False)
    assert not result.success
    assert len(result.asset_materializations_for_node("docs__models")) == 1
    assert (tmp_path / "site" / "index.html").is_file()
    failure = next(event for event in result.all_events if event.event_type == dg.DagsterEventType.STEP_FAILURE)
    assert "team/broken" in str(failure.event_specific_data)


def test_a_policy_that_cannot_be_read_publishes_nothing(run, kitops, iris, tmp_path) -> None:
    run([iris])
    site = build_catalog_asset(places=kitops.registry, into=tmp_path / "site", policy_path=tmp_path / "none.yaml")
    assert not run([site], raise_on_error=False).success
    assert not (tmp_path / "site").exists()
