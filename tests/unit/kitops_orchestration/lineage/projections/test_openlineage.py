from __future__ import annotations

import json

import pytest
from openlineage.client.serde import Serde
from openlineage.client.transport.file import FileConfig, FileTransport

from kitops_orchestration.lineage.answers.questions import lineage
from kitops_orchestration.lineage.projections.openlineage import data_name, dataset_name, emit, events
from kitops_orchestration.lineage.statements.dependencies import Dependency
from kitops_orchestration.oci.reference import Reference

IRIS = Reference.parse("Registry.example:5000/team/iris:v1")


def as_json(items) -> list[dict]:
    return [json.loads(Serde.to_json(item)) for item in items]


def test_a_modelkit_has_one_name_whatever_its_tag() -> None:
    assert dataset_name(IRIS) == dataset_name(IRIS.with_tag("v2")) == ("oci://registry.example:5000", "team/iris")


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("s3://bucket/data/iris.csv", ("s3://bucket", "data/iris.csv")),
        ("file:///data/iris.csv", ("file", "/data/iris.csv")),
        ("postgres://user:secret@db:5432/sales.public.orders", ("postgres://db:5432", "sales.public.orders")),
        ("oci://ghcr.io/acme/base:v1@sha256:" + "a" * 64, ("oci://ghcr.io", "acme/base")),
        ("models:/m-1", ("models", "/m-1")),
        (None, ("oci://registry.example:5000", "team/iris#data/train.csv")),
    ],
)
def test_data_has_the_name_that_others_give_it(uri, name) -> None:
    item = Dependency("dataset", "iris", uri, {"sha256": "a" * 64}, {"path": "data/train.csv"})
    assert data_name(item, IRIS) == name


def test_the_events_of_a_version_tell_its_story(story) -> None:
    found = lineage(story.repository, "4.0", trust=story.trust)
    told = as_json(events(found))

    jobs = ["risk/churn.pack", "risk/churn.test", "risk/churn.promote.production", "risk/churn.deploy.production"]
    assert list(dict.fromkeys(item["job"]["name"].removeprefix("risk/") for item in told)) == [
        name.removeprefix("risk/") for name in jobs
    ]
    packed = told[0]
    assert [item["facets"]["version"]["datasetVersion"] for item in packed["outputs"]] == [story.digests["4.0"]]
    assert {item["name"].partition("#")[0] for item in packed["inputs"]} == {"churn", "encoder"}
    assert packed["run"]["facets"]["executionParameters"]["parameters"][0]["key"] == "C"
    assert told[1]["run"]["facets"]["test"]["tests"][0]["status"] == "pass"
    assert all(facet["_producer"].startswith("urn:kitops") for item in told for facet in item["job"]["facets"].values())


def test_the_same_evidence_gives_the_same_events(story) -> None:
    once, again = (as_json(events(lineage(story.repository, "4.0"))) for _ in range(2))
    assert once == again


def test_events_are_sent_through_the_client(story, tmp_path) -> None:
    log = tmp_path / "events.ndjson"
    transport = FileTransport(FileConfig(log_file_path=str(log), append=True))

    count = emit(events(lineage(story.repository, "4.0")), transport=transport)

    assert len(log.read_text().splitlines()) == count == 5
