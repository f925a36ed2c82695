"""What a foreign tool or an attacker may push beside good versions: no time, no version and no name stops the site."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from kitops_orchestration.catalog.read import _told_apart
from kitops_orchestration.catalog.views.audit import UNDATED, by_month
from kitops_orchestration.catalog.views.shared import EventRow
from kitops_orchestration.client import KitClient
from kitops_orchestration.lineage.statements import RunContext, SourceRun, provenance
from kitops_orchestration.oci.manifest import Manifest
from kitops_orchestration.oci.media_types import ANNOTATION_CREATED
from kitops_orchestration.oci.reference import Reference, folder_registry
from kitops_orchestration.signing import generate_key_pair
from kitops_orchestration.testing import make_context_dir
from kitops_orchestration.testing.builders import push_bytes

GOOD = "2026-01-01T00:00:00Z"
NO_TIMES = (
    "../../x",
    "/etc/x",
    "a\0b",
    "..",
    "2026-1/",
    "2026-13",
    "٢٠٢٦-٠١-٠١T00:00:00Z",
    "9999-12-31T23:59:59-23:59",
    "0001-01-01T00:00:00+23:59",
)


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KitClient:
    monkeypatch.setenv("KITOPS_ORCHESTRATION_CACHE", str(tmp_path / "cache"))
    return KitClient(folder_registry(tmp_path / "registry"))


def push(client: KitClient, folder: Path, name: str, created: str = GOOD, seed: int = 1) -> str:
    context = make_context_dir(folder / f"work-{seed}-{name.replace('/', '-').replace(':', '-')}", seed=seed)
    return str(client.pack(context, name, annotations={ANNOTATION_CREATED: created}).digest)


@pytest.mark.parametrize("created", NO_TIMES)
def test_a_time_that_is_none_names_no_file_and_hides_no_version(client, tmp_path, created) -> None:
    (tmp_path / "x.html").write_text("somebody's page")
    push(client, tmp_path, "wine:v1")
    bad = push(client, tmp_path, "wine:bad", created, seed=2)
    before = sorted(path.name for path in tmp_path.iterdir())
    found = client.catalog(str(client.registry), into=tmp_path / "site")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*before, "cache", "site"])
    assert (tmp_path / "x.html").read_text() == "somebody's page"
    assert sorted(path.name for path in (tmp_path / "site" / "audit").iterdir()) == [
        "2026-01.csv",
        "2026-01.html",
        "all.csv",
        "index.html",
        "undated.csv",
        "undated.html",
    ]
    (model,) = found.models
    assert found.problems == ()
    assert {item.digest: item.time for item in model.releases}[bad] is None
    assert {event.digest: event.time for event in client.timeline("wine").events}[bad] is None


def test_the_time_of_a_version_event_is_in_utc(client, tmp_path) -> None:
    push(client, tmp_path, "wine:v1", "2026-02-01T00:30:00+02:00")
    (event,) = client.timeline("wine").events
    assert event.time == "2026-01-31T22:30:00Z"


def test_only_a_month_names_a_page_of_the_audit() -> None:
    def row(time: str | None) -> EventRow:
        return EventRow(None, time, "version", "", "", "", None, None)  # type: ignore[arg-type] # of no model

    times = [None, "", "../../x", "2026-00-01", "2026-13-01", "2026-1/../", "a\0", "2026-12-01T00:00:00Z"]
    found = by_month([row(time) for time in times])
    assert {month: len(rows) for month, rows in found.items()} == {UNDATED: 7, "2026-12": 1}


def blob(tmp_path: Path, digest: str) -> Path:
    return tmp_path / "registry" / "wine" / "blobs" / "sha256" / digest.partition(":")[2]


def damage(tmp_path: Path, digest: str, what: str) -> None:
    config = blob(tmp_path, json.loads(blob(tmp_path, digest).read_text())["config"]["digest"])
    if what == "gone":
        config.unlink()
    else:
        config.write_bytes(b"x" * config.stat().st_size)


@pytest.mark.parametrize("what", ["gone", "changed"])
def test_a_model_without_a_version_that_can_be_read_is_a_problem_on_the_page(client, tmp_path, what) -> None:
    push(client, tmp_path, "beer:v1")
    damage(tmp_path, push(client, tmp_path, "wine:v1"), what)
    found = KitClient(client.registry).catalog(str(client.registry), into=tmp_path / "site")
    assert [model.name for model in found.models] == ["beer"]
    assert [item.repository for item in found.problems] == ["wine"]
    assert found.problems[0].reason
    text = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    assert "Could not be read" in text
    assert "wine" in text


@pytest.mark.parametrize("what", ["gone", "changed"])
def test_a_damaged_version_hides_no_other_and_is_named_on_the_models_page(client, tmp_path, what) -> None:
    good = push(client, tmp_path, "wine:v1")
    damage(tmp_path, push(client, tmp_path, "wine:v2", seed=2), what)
    found = KitClient(client.registry).catalog(str(client.registry), into=tmp_path / "site")
    (model,) = found.models
    assert ([item.digest for item in model.releases], [tag for tag, _ in model.unreadable]) == ([good], ["v2"])
    assert "No version that can be read" in (tmp_path / "site" / "m" / "wine" / "index.html").read_text("utf-8")


def test_artifacts_of_another_kind_are_no_problem(client, tmp_path) -> None:
    push(client, tmp_path, "wine:v1")
    repository = client.repository(client.reference("other"))
    config = push_bytes(repository, b"{}", "application/vnd.oci.image.config.v1+json")
    repository.push_manifest(Manifest.build(config=config, layers=[push_bytes(repository, b"1")]), tag="v1")
    found = client.catalog(str(client.registry))
    assert ([model.name for model in found.models], found.problems) == (["wine"], ())


def test_a_metric_that_no_float_holds_stops_nothing(client, tmp_path) -> None:
    signer = generate_key_pair(key_format="pkcs8").signer
    for number in range(2):
        packed = client.pack(make_context_dir(tmp_path / f"work-{number}", seed=number), f"wine:{number}")
        run = SourceRun("directory", metrics={"loss": 10**400 + number}, finished_on=GOOD)
        client.attach(packed.reference, provenance(packed, RunContext("cron"), run), signer=signer)
    found = client.catalog(str(client.registry), into=tmp_path / "site")
    (model,) = found.models
    assert [item.passport.metrics["loss"] - 10**400 for item in model.releases] == [0, 1]
    (change,) = client.diff("wine:0", "wine:1").metrics
    assert change.difference is None


def test_the_name_of_a_model_is_no_other_models(client, tmp_path) -> None:
    """Two of one name would be written over each other."""
    push(client, tmp_path, "wine:v1")
    (model,) = client.catalog(str(client.registry)).models
    names = ("one.example/wine", "two.example/wine", "three.example/one.example/wine", "one.example/beer")
    told = _told_apart([replace(model, reference=Reference.parse(name)) for name in names])
    assert [item.name for item in told] == [*names[:3], "beer"]
