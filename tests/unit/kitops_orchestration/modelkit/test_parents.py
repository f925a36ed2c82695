"""ModelKits that stand on the model of another."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kitops_orchestration.errors import ModelKitError, NotFoundError
from kitops_orchestration.modelkit.inspect import inspect
from kitops_orchestration.modelkit.pack import pack
from kitops_orchestration.modelkit.parents import parents_of
from kitops_orchestration.modelkit.pull import pull_parents
from kitops_orchestration.modelkit.unpack import unpack
from kitops_orchestration.oci.copy import copy
from kitops_orchestration.oci.layout import LayoutRepository
from kitops_orchestration.oci.reference import Reference, folder_registry

MakeContext = Callable[..., Path]


def kitfile_of(path: str, more: str = "") -> str:
    return f"manifestVersion: 1.0.0\npackage: {{name: x}}\nmodel: {{path: '{path}'}}\n{more}"


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def registry(tmp_path: Path) -> str:
    return folder_registry(tmp_path / "registry")


@pytest.fixture
def base(make_context: MakeContext, registry: str) -> LayoutRepository:
    """Return a repository with a ModelKit that others can stand on."""
    repository = LayoutRepository(Reference(registry, "base"))
    more = "docs: [{path: BASE.md}]\n"
    pack(
        make_context({"Kitfile": kitfile_of("m", more), "m/w": "weights", "BASE.md": "b"}, "base"), repository, tag="v1"
    )
    return repository


@pytest.fixture
def child(make_context: MakeContext, registry: str, base: LayoutRepository) -> LayoutRepository:
    """Return a repository with a ModelKit that stands on ``base``."""
    repository = LayoutRepository(Reference(registry, "child"))
    context = make_context(
        {"Kitfile": kitfile_of("base:v1", "code: [{path: .}]\n"), "a.py": "a", "m/own.py": "o"}, "child"
    )
    pack(context, repository, tag="v1")
    return repository


def test_the_parents_model_comes_along_and_nothing_else_of_it(child: LayoutRepository, tmp_path: Path) -> None:
    unpack(child, "v1", tmp_path / "out")

    # m belongs to the parent: the child's catch-all code layer leaves it alone.
    assert names(tmp_path / "out") == ["Kitfile", "a.py", "m/w"]


def test_filters_that_leave_the_model_out_skip_the_parent(child: LayoutRepository, tmp_path: Path) -> None:
    unpack(child, "v1", tmp_path / "code", filters=["code"])
    unpack(child, "v1", tmp_path / "model", filters=["model"])

    assert names(tmp_path / "code") == ["a.py"]
    assert names(tmp_path / "model") == ["m/w"]


def test_a_reference_needs_no_layer(child: LayoutRepository) -> None:
    assert [layer.kind for layer in inspect(child, "v1").layers] == ["code"]


def test_a_missing_parent_is_not_found(make_context: MakeContext, registry: str) -> None:
    repository = LayoutRepository(Reference(registry, "child"))

    with pytest.raises(NotFoundError):
        pack(make_context({"Kitfile": kitfile_of("gone:v1")}), repository, tag="v1")


@pytest.mark.parametrize(("length", "is_good"), [(10, True), (11, False)])
def test_chains_have_at_most_ten_parents(
    length: int, is_good: bool, make_context: MakeContext, registry: str, base: LayoutRepository
) -> None:
    before = "base:v1"
    for number in range(1, length):
        repository = LayoutRepository(Reference(registry, f"k{number}"))
        pack(make_context({"Kitfile": kitfile_of(before)}, f"k{number}"), repository, tag="v1")
        before = f"k{number}:v1"
    last = make_context({"Kitfile": kitfile_of(before)}, "last")
    repository = LayoutRepository(Reference(registry, "last"))

    if is_good:
        assert len(parents_of(pack(last, repository).kitfile, repository)) == length
    else:
        with pytest.raises(ModelKitError, match="more than 10"):
            pack(last, repository)


def test_cycles_are_refused(make_context: MakeContext, registry: str, base: LayoutRepository, tmp_path: Path) -> None:
    one, two = (LayoutRepository(Reference(registry, name)) for name in ("one", "two"))
    first = pack(make_context({"Kitfile": kitfile_of("base:v1")}, "a"), one, tag="v1")
    pack(make_context({"Kitfile": kitfile_of("one:v1")}, "b"), two, tag="v1")
    second = pack(make_context({"Kitfile": kitfile_of("two:v1")}, "c"), one, tag="v1")

    assert first.digest != second.digest
    with pytest.raises(ModelKitError, match="cycle"):
        unpack(one, "v1", tmp_path / "out")


def test_a_dataset_of_another_modelkit_comes_only_when_asked_for(
    make_context: MakeContext, registry: str, tmp_path: Path
) -> None:
    data = LayoutRepository(Reference(registry, "data"))
    pack(
        make_context({"Kitfile": "manifestVersion: 1.0.0\ndatasets: [{path: rows.csv}]\n", "rows.csv": "1"}, "data"),
        data,
        tag="v1",
    )
    child = LayoutRepository(Reference(registry, "child"))
    more = (
        "datasets: [{name: rows, path: in, remotePath: 'data:v1'}, {path: s, remotePath: 's3://b/k', remoteHash: e}]\n"
    )
    pack(make_context({"Kitfile": kitfile_of("m", more), "m": "1"}), child, tag="v1")

    without = unpack(child, "v1", tmp_path / "without")
    chosen = ["kitfile", "model", "datasets:rows"]
    with_remote = unpack(child, "v1", tmp_path / "with", filters=chosen, include_remote=True)

    assert names(tmp_path / "without") == ["Kitfile", "m"]
    assert names(tmp_path / "with") == ["Kitfile", "in/rows.csv", "m"]
    assert len(without.warnings) == 2
    assert with_remote.warnings == ()


def test_pulling_brings_parents_and_unpacking_needs_no_other_registry(
    child: LayoutRepository, base: LayoutRepository, make_context: MakeContext, registry: str, tmp_path: Path
) -> None:
    far = LayoutRepository(Reference(registry, "far"))
    reference = "registry.example:5000/team/base:v1"
    context = make_context({"Kitfile": kitfile_of(reference)}, "far")
    pack(context, far, tag="v1", open_parent=lambda _: base)
    near = LayoutRepository(Reference(folder_registry(tmp_path / "near"), "kept"))

    copies = pull_parents(far, "v1", near, open_parent=lambda _: base)
    copy(far, "v1", near, tag="v1")
    unpack(near, "v1", tmp_path / "out")

    assert len(copies) == 1
    assert (tmp_path / "near/registry.example_5000/team/base/index.json").exists()
    assert names(tmp_path / "out") == ["Kitfile", "m/w"]


def test_a_parent_named_without_registry_travels_with_its_child(child: LayoutRepository, tmp_path: Path) -> None:
    elsewhere = LayoutRepository(Reference(folder_registry(tmp_path / "elsewhere/team"), "child"))

    pull_parents(child, "v1", elsewhere)
    copy(child, "v1", elsewhere, tag="v1")

    assert (tmp_path / "elsewhere/team/base/index.json").exists()
    unpack(elsewhere, "v1", tmp_path / "out")
    assert "m/w" in names(tmp_path / "out")


def test_a_parent_is_looked_for_in_the_folders_above(
    base: LayoutRepository, make_context: MakeContext, tmp_path: Path
) -> None:
    deep = LayoutRepository(Reference(folder_registry(tmp_path / "registry/team/vision"), "child"))
    pack(make_context({"Kitfile": kitfile_of("base:v1")}), deep, tag="v1")

    unpack(deep, "v1", tmp_path / "out")

    assert names(tmp_path / "out") == ["Kitfile", "m/w"]
