"""ModelKits that stand on the model of another."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from kitops_orchestration.client import KitClient
from kitops_orchestration.errors import ModelKitError, NotFoundError
from kitops_orchestration.lineage.statements.kitfile_data import base_model_of
from kitops_orchestration.modelkit.base_model import Base
from kitops_orchestration.modelkit.inspect import inspect
from kitops_orchestration.modelkit.pack import pack
from kitops_orchestration.modelkit.packing.manifest_profile import Profile
from kitops_orchestration.modelkit.parents import parents_of
from kitops_orchestration.modelkit.pull import pull_parents
from kitops_orchestration.modelkit.unpack import unpack
from kitops_orchestration.modelkit.validate import validate
from kitops_orchestration.oci.copying.graph import copy
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


@pytest.fixture
def two_floors(make_context: MakeContext, registry: str, base: LayoutRepository) -> LayoutRepository:
    """Return the repository ``one``; its ``v1`` stands on ``base``, and ``two:v1`` stands on it."""
    one, two = (LayoutRepository(Reference(registry, name)) for name in ("one", "two"))
    pack(make_context({"Kitfile": kitfile_of("base:v1")}, "a"), one, tag="v1")
    pack(make_context({"Kitfile": kitfile_of("one:v1")}, "b"), two, tag="v1")
    return one


@pytest.mark.parametrize("tags", [("v1",), ("v2", "v1"), ("v2", "v3", "v1")])
def test_a_cycle_is_refused_when_it_would_be_packed(
    make_context: MakeContext, two_floors: LayoutRepository, tags: tuple[str, ...]
) -> None:
    before = two_floors.resolve("v1")

    with pytest.raises(ModelKitError, match="cycle"):
        pack(make_context({"Kitfile": kitfile_of("two:v1")}, "c"), two_floors, tag=tags[0], extra_tags=tags[1:])

    assert two_floors.resolve("v1") == before
    assert list(two_floors.tags()) == ["v1"]


def test_a_modelkit_is_not_packed_over_its_own_parent(make_context: MakeContext, base: LayoutRepository) -> None:
    with pytest.raises(ModelKitError, match="cycle"):
        pack(make_context({"Kitfile": kitfile_of("base:v1")}, "again"), base, tag="v1")


def test_a_parent_named_by_digest_may_lose_its_tag(
    make_context: MakeContext, base: LayoutRepository, tmp_path: Path
) -> None:
    digest = base.resolve("v1").digest
    pack(make_context({"Kitfile": kitfile_of(f"base@{digest}")}, "again"), base, tag="v1")

    unpack(base, "v1", tmp_path / "out")
    assert "m/w" in names(tmp_path / "out")


@pytest.mark.parametrize("is_pinned", [False, True])
def test_a_cycle_that_somebody_made_is_refused_when_it_is_read_and_pins_make_none(
    make_context: MakeContext, base: LayoutRepository, registry: str, tmp_path: Path, is_pinned: bool
) -> None:
    one, two = (LayoutRepository(Reference(registry, name)) for name in ("one", "two"))
    profile: Profile = "reproducible" if is_pinned else "kit"
    for repository, path, tag in ((one, "base:v1", "v1"), (two, "one:v1", "v1"), (one, "two:v1", "v2")):
        pack(make_context({"Kitfile": kitfile_of(path)}, f"c-{tag}-{path[:3]}"), repository, tag=tag, profile=profile)
    one.set_tag("v1", one.resolve("v2"))

    if is_pinned:
        unpack(one, "v1", tmp_path / "out")
        assert (tmp_path / "out/m/w").read_text() == "weights"
        return
    with pytest.raises(ModelKitError, match="cycle"):
        unpack(one, "v1", tmp_path / "out")


@pytest.mark.parametrize("seed", range(24))
def test_a_cycle_of_any_length_is_refused_when_it_would_be_packed(
    make_context: MakeContext, registry: str, seed: int
) -> None:
    """As the Kit CLI does, which goes by tags; each form of a name is the same name."""
    chance = random.Random(seed)
    profiles: list[Profile] = ["reproducible", "kit", "kit-1.7"]
    length, repository = chance.randint(1, 9), LayoutRepository(Reference(registry, "t"))
    first = make_context({"Kitfile": kitfile_of("m"), "m": "1"}, "first")
    pack(first, repository, tag="0", profile=chance.choice(profiles))
    for number in range(1, length):
        below = chance.choice(["t:{}", "localhost/t:{}", f"{registry}/t:{{}}"]).format(number - 1)
        context = make_context({"Kitfile": kitfile_of(below)}, f"c{number}")
        pack(context, repository, tag=str(number), profile=chance.choice(profiles))
    last = make_context({"Kitfile": kitfile_of(f"t:{length - 1}")}, "last")
    over = str(chance.randrange(length))
    with pytest.raises(ModelKitError, match="cycle"):
        pack(last, repository, tag=over, profile=chance.choice(profiles))
    assert set(repository.tags()) == set(map(str, range(length)))


def test_the_base_is_pinned_when_it_is_packed_upon(
    child: LayoutRepository, base: LayoutRepository, make_context: MakeContext, tmp_path: Path
) -> None:
    first = base.resolve("v1").digest
    pack(make_context({"Kitfile": kitfile_of("m"), "m/w": "other weights"}, "other"), base, tag="v1")

    kit = inspect(child, "v1")
    unpack(child, "v1", tmp_path / "out")

    assert kit.base == Base("base:v1", first)
    assert kit.to_json()["base"] == {"path": "base:v1", "digest": first}
    assert f"base:v1@{first}" in repr(kit.page())
    assert kit.manifest.annotations["org.opencontainers.image.base.digest"] == first
    assert "org.opencontainers.image.base.name" not in kit.manifest.annotations  # the registry is not in the Kitfile
    assert (tmp_path / "out/m/w").read_text() == "weights"
    found = base_model_of(kit.kitfile, kit.manifest)
    assert found is not None
    assert found.sha256 == first


def test_validate_says_what_the_base_is_and_whether_its_tag_moved(
    child: LayoutRepository, base: LayoutRepository, make_context: MakeContext
) -> None:
    def told() -> list[tuple[str, str]]:
        return [(each.verdict, each.what) for each in validate(child, "v1").findings if each.name == "parents"]

    first = base.resolve("v1").digest
    assert told() == [("ok", f"reached: {base.reference}:v1@{first}")]
    now = pack(make_context({"Kitfile": kitfile_of("m"), "m/w": "other"}, "other"), base, tag="v1").digest
    assert ("note", f"{base.reference}:v1 is {now} by now, not the base") in told()
    base.delete_tag("v1")
    assert ("note", f"{base.reference}:v1 is gone; the base is there by its digest") in told()
    (base.directory / "blobs/sha256" / first.hex).unlink()
    assert [verdict for verdict, _ in told()] == ["wrong"]


def test_a_base_that_is_gone_says_what_it_was(
    child: LayoutRepository, base: LayoutRepository, make_context: MakeContext, tmp_path: Path
) -> None:
    first = base.resolve("v1").digest
    pack(make_context({"Kitfile": kitfile_of("m"), "m/w": "other"}, "other"), base, tag="v1")
    (base.directory / "blobs/sha256" / first.hex).unlink()
    with pytest.raises(NotFoundError) as caught:
        unpack(child, "v1", tmp_path / "out")
    assert first in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, True),
        ({"profile": "kit"}, False),
        ({"profile": "kit-1.7"}, False),
        ({"strict": "kit"}, False),
        ({"model_pack": True}, True),
    ],
)
def test_what_the_kit_cli_would_write_has_no_pin(
    make_context: MakeContext, base: LayoutRepository, registry: str, options: dict, expected: bool
) -> None:
    other = LayoutRepository(Reference(registry, "other"))
    context = make_context({"Kitfile": kitfile_of("registry.example/team/base:v1")}, "c")
    packed = pack(context, other, tag="v1", open_parent=lambda _: base, use_cache=False, **options)
    said = packed.manifest.annotations
    assert ("org.opencontainers.image.base.digest" in said) is expected
    assert said.get("org.opencontainers.image.base.name") == ("registry.example/team/base:v1" if expected else None)


def test_a_false_pin_is_wrong_and_one_that_is_none_is_nothing(
    make_context: MakeContext, base: LayoutRepository, registry: str
) -> None:
    other = LayoutRepository(Reference(registry, "other"))
    digest = base.resolve("v1").digest
    for said, path in (("no digest", "base:v1"), ("sha256:" + "0" * 64, f"base@{digest}")):
        annotations = {"org.opencontainers.image.base.digest": said}
        pack(make_context({"Kitfile": kitfile_of(path)}, "c"), other, tag="v1", annotations=annotations)
        wrong = [each.what for each in validate(other, "v1").wrong]
        assert len(wrong) == 1
        assert repr(said) in wrong[0]
    assert inspect(other, "v1").base == Base(f"base@{digest}", digest)  # what the Kitfile says counts


def test_a_pull_keeps_a_pinned_base_beside_what_its_tag_became(
    child: LayoutRepository, base: LayoutRepository, make_context: MakeContext, tmp_path: Path
) -> None:
    first = base.resolve("v1").digest
    pack(make_context({"Kitfile": kitfile_of("m"), "m/w": "other"}, "other"), base, tag="v1")
    elsewhere = LayoutRepository(Reference(folder_registry(tmp_path / "elsewhere"), "child"))
    beside = LayoutRepository(Reference(elsewhere.reference.registry, "base"))
    copy(base, "v1", beside, tag="v1")

    pull_parents(child, "v1", elsewhere)
    copy(child, "v1", elsewhere, tag="v1")

    assert beside.resolve("v1").digest == base.resolve("v1").digest  # the newer one stays where it was
    assert list(beside.tags()) == ["v1", f"v1-{first.hex[:12]}"]
    unpack(elsewhere, "v1", tmp_path / "out")
    assert (tmp_path / "out/m/w").read_text() == "weights"


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


def test_a_pinned_base_is_not_pruned_from_under_what_stands_on_it(tmp_path: Path) -> None:
    """The base's tag moves on, and somebody frees space."""
    client = KitClient(f"file://{tmp_path}/registry")

    def packed(kitfile: str, content: bytes, tag: str, name: str = "m.bin") -> None:
        folder = tmp_path / f"{tag}-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        (folder / "Kitfile").write_text(f"manifestVersion: 1.0.0\n{kitfile}")
        (folder / name).write_bytes(content)
        client.pack(folder, f"llama:{tag}")

    packed("model: {path: m.bin}\n", b"one", "base")
    packed("model:\n  path: llama:base\n  parts: [{name: l, path: l.bin}]\n", b"lora", "adapter", "l.bin")
    packed("model: {path: m.bin}\n", b"two", "base")
    assert client.prune("llama", grace_seconds=0).manifests == ()
    assert client.unpack("llama:adapter", tmp_path / "out").files
