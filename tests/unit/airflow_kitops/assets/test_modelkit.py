from __future__ import annotations

from types import SimpleNamespace

import pytest
from airflow.sdk import Asset

from airflow_kitops.asset_uris import asset_uri
from airflow_kitops.assets import create_asset, modelkit_asset, modelkits_from


@pytest.mark.parametrize(
    ("reference", "uri"),
    [
        ("ghcr.io/team/iris:v1", "oci://ghcr.io/team/iris"),
        ("localhost:5000/iris@sha256:" + "0" * 64, "oci://localhost:5000/iris"),
        ("file:///models/team/iris:v1", "file:///models/team/iris"),
    ],
)
def test_an_asset_is_a_repository(reference: str, uri: str) -> None:
    assert asset_uri(reference) == uri
    assert create_asset(reference=reference).uri == uri


def test_a_registry_has_no_upper_case() -> None:
    assert Asset("oci://GHCR.io/team/iris/").uri == "oci://ghcr.io/team/iris"


def test_openlineage_names_the_registry_and_the_repository() -> None:
    pytest.importorskip("openlineage")
    from airflow_kitops.assets import convert_asset_to_openlineage

    asset = Asset("oci://ghcr.io/team/iris:production", extra={"digest": "sha256:0", "tag": "production"})
    dataset = convert_asset_to_openlineage(asset, None)
    assert (dataset.namespace, dataset.name) == ("oci://ghcr.io", "team/iris")
    assert dataset.facets["version"].datasetVersion == "sha256:0"
    assert dataset.facets["datasetType"].datasetType == "MODEL"


def test_a_modelkit_asset_is_a_model_with_a_watcher() -> None:
    asset = modelkit_asset("ghcr.io/team/iris", watch=">=1.2,<2", poll_interval_seconds=5)
    assert (asset.group, asset.uri) == ("model", "oci://ghcr.io/team/iris")
    (watcher,) = asset.watchers
    assert watcher.trigger.serialize()[1]["repository"] == "ghcr.io/team/iris"


def test_a_channel_is_an_asset_of_its_own() -> None:
    assert modelkit_asset("ghcr.io/team/iris:production").uri == "oci://ghcr.io/team/iris:production"


def test_events_of_watchers_and_operators_look_alike() -> None:
    facts = {"reference": "ghcr.io/team/iris:v1@sha256:0", "digest": "sha256:0"}
    events = {
        "asset": [
            SimpleNamespace(timestamp="2026-01-02", extra={"from_trigger": True, "payload": facts}),
            SimpleNamespace(timestamp="2026-01-01", extra=facts),
            SimpleNamespace(timestamp="2026-01-03", extra={}),
        ]
    }
    assert modelkits_from(events) == [facts, facts]
