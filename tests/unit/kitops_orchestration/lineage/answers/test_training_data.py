from __future__ import annotations

import json
from pathlib import Path

import pytest

from kitops_orchestration.lineage.answers.training_data import training_data
from kitops_orchestration.lineage.statements import Dependency, SourceRun, base_model, provenance
from kitops_orchestration.lineage.statements.attach import attach
from kitops_orchestration.modelkit.pack import pack
from kitops_orchestration.oci.layout import LayoutRepository
from kitops_orchestration.oci.reference import Reference, folder_registry

HEAD = "manifestVersion: 1.0.0\nmodel: {name: m, path: m.bin}\n"


@pytest.fixture
def make(tmp_path: Path):
    """Pack a small ModelKit into a repository of one folder registry, and vouch for it where a run is given."""

    def make(name: str, kitfile: str = HEAD, *, run: SourceRun | None = None, signer=None, files=("m.bin",)):
        repository = LayoutRepository(Reference.parse(f"{folder_registry(tmp_path / 'registry')}/team/{name}"))
        context = tmp_path / f"context-{name}"
        context.mkdir(exist_ok=True)
        (context / "Kitfile").write_text(kitfile)
        for file in files:
            (context / file).write_bytes(file.encode())
        packed = pack(context, repository, tag="v1")
        if run is not None:
            attach(repository, packed.digest, provenance(packed, source=run), signer=signer)
        return repository

    return make


def told(found) -> list[tuple]:
    return [(item.data.shown, item.depth, item.said_by, item.is_verified) for item in found.data]


def test_data_in_the_kitfile_is_known_without_any_statement(make) -> None:
    kitfile = HEAD + (
        "datasets:\n- {name: here, path: d.csv, license: CC0-1.0}\n"
        f"- {{name: there, remotePath: 's3://bucket/d', remoteHash: 'sha256:{'a' * 64}'}}\n"
    )
    found = training_data(make("iris", kitfile, files=("m.bin", "d.csv")), "v1")

    assert told(found) == [("here", 0, "Kitfile", False), ("there", 0, "Kitfile", False)]
    assert found.data[0].data.annotations["licence"] == "CC0-1.0"
    assert found.data[1].data.digest == {"sha256": "a" * 64}
    assert found.is_complete


def test_data_that_was_logged_and_packed_is_one_data_set(make, ada, trust) -> None:
    kitfile = HEAD + "datasets:\n- {name: iris, path: d.csv}\n"
    logged = Dependency("dataset", "iris", "s3://bucket/iris.csv", {"sha256": "b" * 64}, {"context": "training"})
    run = SourceRun("mlflow-run", dependencies=(logged,))

    found = training_data(make("iris", kitfile, run=run, signer=ada, files=("m.bin", "d.csv")), "v1", trust=trust)

    [use] = found.data
    assert (use.said_by, use.is_verified, use.data.uri) == ("provenance", True, "s3://bucket/iris.csv")
    assert use.data.annotations["path"] == "d.csv"


def test_unsigned_provenance_does_not_count_where_a_policy_is_given(make, trust) -> None:
    run = SourceRun("mlflow-run", dependencies=(Dependency("dataset", "iris", "s3://bucket/iris.csv"),))
    repository = make("iris", run=run)

    assert told(training_data(repository, "v1")) == [("iris", 0, "provenance", False)]
    checked = training_data(repository, "v1", trust=trust)
    assert checked.data == ()
    assert checked.gaps == (f"{checked.reference} declares no data",)


def test_base_models_are_followed_to_the_last(make, tmp_path) -> None:
    data = {
        name: SourceRun("x", dependencies=(Dependency("dataset", f"data-{name}", f"s3://b/{name}"),)) for name in "abc"
    }
    places = {"c": make("c", run=data["c"])}
    for name, below in (("b", "c"), ("a", "b")):
        reference = places[below].reference.with_digest(places[below].resolve("v1").digest)
        run = SourceRun("x", dependencies=(*data[name].dependencies, base_model(reference)))
        places[name] = make(name, run=run)
    by_name = {place.reference.name: place for place in places.values()}

    found = training_data(places["a"], "v1", open_base=lambda reference: by_name[reference.name])

    assert [(item.data.shown, item.depth) for item in found.data] == [("data-a", 0), ("data-b", 1), ("data-c", 2)]
    assert len(found.base_models) == 2
    assert found.is_complete
    assert json.dumps(found.to_json())


def test_a_circle_of_base_models_ends(make) -> None:
    repository = make("iris", run=SourceRun("x", dependencies=(Dependency("dataset", "d", "s3://b/d"),)))
    digest = repository.resolve("v1").digest
    attach(
        repository,
        digest,
        provenance(
            pack_again(repository),
            source=SourceRun("x", dependencies=(base_model(repository.reference.with_digest(digest)),)),
        ),
    )

    assert told(training_data(repository, "v1")) == [("d", 0, "provenance", False)]


def pack_again(repository: LayoutRepository):
    """What packing returned, read from the repository."""
    from types import SimpleNamespace

    from kitops_orchestration.modelkit.inspect import inspect

    kit = inspect(repository, "v1")
    return SimpleNamespace(
        reference=kit.reference, digest=kit.digest, manifest=kit.manifest, kitfile=kit.kitfile, layers=()
    )


def test_a_base_model_that_is_gone_or_foreign_is_a_gap_and_no_error(make) -> None:
    gone = Reference.parse(f"{make('base').reference.name}@sha256:{'0' * 64}")
    run = SourceRun("x", dependencies=(base_model(gone), Dependency("base-model", "m-1", "models:/m-1")))

    found = training_data(make("iris", run=run), "v1", open_base=lambda reference: LayoutRepository(reference))

    assert [gap.partition(" is ")[0].partition(" cannot ")[0] for gap in found.gaps[1:]] == [
        f"base model {gone}",
        "base model m-1",
    ]
