"""Unpacking: what arrives, what is kept of what was there, what happens when it fails."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kitops_orchestration.errors import KitOpsError, ModelKitError, TransferCancelledError, UnsafePathError
from kitops_orchestration.modelkit.inspect import inspect
from kitops_orchestration.modelkit.pack import pack
from kitops_orchestration.modelkit.unpack import unpack
from kitops_orchestration.modelkit.unpacking.workspace import LayerSink, Workspace
from kitops_orchestration.oci.layout import LayoutRepository
from kitops_orchestration.progress import ProgressEvent

KITFILE = """manifestVersion: 1.0.0
package: {name: x}
model:
  name: main
  path: model
  parts:
    - {name: tok, path: tokenizer.json}
code: [{path: ./src/}]
datasets:
  - {name: train, path: data/train.csv}
  - {name: test, path: data/test.csv}
docs: [{path: README.md}]
"""
FILES = {
    "Kitfile": KITFILE,
    "model/w.bin": "w",
    "model/sub/deep.bin": "d",
    "tokenizer.json": "{}",
    "src/a.py": "a",
    "data/train.csv": "1",
    "data/test.csv": "2",
    "README.md": "hi",
}


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def kit(make_context: Callable[..., Path], repository: LayoutRepository) -> LayoutRepository:
    pack(make_context(FILES), repository, tag="v1")
    return repository


def test_everything_arrives(kit: LayoutRepository, tmp_path: Path) -> None:
    result = unpack(kit, "v1", tmp_path / "a/b/out")

    assert names(tmp_path / "a/b/out") == sorted(FILES)
    assert result.files == len(FILES)
    assert result.size_bytes == sum(path.stat().st_size for path in (tmp_path / "a/b/out").rglob("*") if path.is_file())
    assert result.reference.digest == result.digest
    assert len(result.layers) == 6
    assert [path.name for path in (tmp_path / "a/b").iterdir()] == ["out"]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (["kitfile"], ["Kitfile"]),
        (["model"], ["model/sub/deep.bin", "model/w.bin", "tokenizer.json"]),
        (["model:main"], ["model/sub/deep.bin", "model/w.bin"]),
        (["model:tok"], ["tokenizer.json"]),
        (["datasets:train"], ["data/train.csv"]),
        (["datasets:data/test.csv"], ["data/test.csv"]),
        (["datasets:train,test"], ["data/test.csv", "data/train.csv"]),
        (["datasets:t*"], ["data/test.csv", "data/train.csv"]),
        (["datasets:data/tr*.csv"], ["data/train.csv"]),
        (["dataset:./data/train.csv"], ["data/train.csv"]),
        (["code:src"], ["src/a.py"]),
        (["code:./src/"], ["src/a.py"]),
        (["docs,code"], ["README.md", "src/a.py"]),
        (["docs", "code"], ["README.md", "src/a.py"]),
        (["docs,kitfile:README.md"], ["Kitfile", "README.md"]),
        (["docs:nothing"], []),
    ],
)
def test_filters_choose_layers(filters: list[str], expected: list[str], kit: LayoutRepository, tmp_path: Path) -> None:
    unpack(kit, "v1", tmp_path / "out", filters=filters)

    assert names(tmp_path / "out") == expected


@pytest.mark.parametrize("text", ["", "weights", "model:a:b", "model:", "model:a,,b"])
def test_a_bad_filter_is_an_error(text: str, kit: LayoutRepository, tmp_path: Path) -> None:
    with pytest.raises(ModelKitError, match="not a filter"):
        unpack(kit, "v1", tmp_path / "out", filters=[text])


class CountingRepository:
    """A repository that remembers which blobs were fetched."""

    def __init__(self, inner: LayoutRepository) -> None:
        self._inner = inner
        self.fetched: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def fetch_blob(self, descriptor: Any, *, offset: int = 0) -> Any:
        self.fetched.append(descriptor.digest)
        return self._inner.fetch_blob(descriptor, offset=offset)


def test_only_the_layers_asked_for_are_fetched(kit: LayoutRepository, tmp_path: Path) -> None:
    counting: Any = CountingRepository(kit)

    unpack(counting, "v1", tmp_path / "out", filters=["docs"])
    assert len(counting.fetched) == 2  # the config and one layer

    counting.fetched.clear()
    inspect(counting, "v1")
    assert counting.fetched == [inspect(kit, "v1").manifest.config.digest]


def test_existing_files_stop_it_before_anything_is_written(kit: LayoutRepository, tmp_path: Path) -> None:
    target = tmp_path / "out"
    (target / "src").mkdir(parents=True)
    (target / "src/a.py").write_text("mine")

    with pytest.raises(ModelKitError, match=r"already has .*a\.py"):
        unpack(kit, "v1", target)

    assert names(target) == ["src/a.py"]
    assert (target / "src/a.py").read_text() == "mine"


def test_existing_directories_are_filled(kit: LayoutRepository, tmp_path: Path) -> None:
    target = tmp_path / "out"
    (target / "src").mkdir(parents=True)
    (target / "src/other.py").write_text("mine")

    unpack(kit, "v1", target)

    assert names(target) == sorted([*FILES, "src/other.py"])


def test_overwrite_replaces_files_and_keeps_others(kit: LayoutRepository, tmp_path: Path) -> None:
    target = tmp_path / "out"
    (target / "src").mkdir(parents=True)
    (target / "src/a.py").write_text("mine")
    (target / "Kitfile").write_text("something else")
    (target / "notes").write_text("mine")

    unpack(kit, "v1", target, exists="overwrite")

    assert (target / "src/a.py").read_text() == "a"
    assert (target / "notes").read_text() == "mine"
    assert names(target) == sorted([*FILES, "notes"])


def test_ignore_keeps_existing_files(kit: LayoutRepository, tmp_path: Path) -> None:
    target = tmp_path / "out"
    (target / "src").mkdir(parents=True)
    (target / "src/a.py").write_text("mine")

    unpack(kit, "v1", target, exists="ignore")

    assert (target / "src/a.py").read_text() == "mine"
    assert (target / "README.md").read_text() == "hi"


def test_a_kitfile_that_says_the_same_is_no_conflict(kit: LayoutRepository, tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.mkdir()
    (target / "Kitfile").write_text(KITFILE + "# a comment\n")

    unpack(kit, "v1", target)

    assert (target / "Kitfile").read_text().endswith("# a comment\n")


@pytest.mark.parametrize("exists", ["error", "ignore"])
def test_another_kitfile_is_a_conflict_unless_overwritten(exists: Any, kit: LayoutRepository, tmp_path: Path) -> None:
    (tmp_path / "Kitfile").write_text("manifestVersion: 1.0.0\n")

    with pytest.raises(ModelKitError, match="Kitfile"):
        unpack(kit, "v1", tmp_path, exists=exists)


@pytest.mark.parametrize("exists", ["error", "overwrite", "ignore"])
def test_a_directory_is_never_replaced_by_a_file(exists: Any, kit: LayoutRepository, tmp_path: Path) -> None:
    target = tmp_path / "out"
    (target / "README.md/x").mkdir(parents=True)

    with pytest.raises(ModelKitError, match=r"README\.md"):
        unpack(kit, "v1", target, exists=exists)
    assert [path.name for path in target.iterdir()] == ["README.md"]


def test_a_link_in_the_target_that_leads_out_is_refused(kit: LayoutRepository, tmp_path: Path) -> None:
    target, outside = tmp_path / "out", tmp_path / "outside"
    target.mkdir()
    outside.mkdir()
    (target / "model").symlink_to(outside)

    with pytest.raises(UnsafePathError, match="leaves the target"):
        unpack(kit, "v1", target, exists="overwrite")
    assert list(outside.iterdir()) == []


def test_overwriting_a_link_replaces_the_link_not_its_target(kit: LayoutRepository, tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.mkdir()
    (tmp_path / "precious").write_text("precious")
    (target / "README.md").symlink_to(tmp_path / "precious")

    unpack(kit, "v1", target, exists="overwrite")

    assert (tmp_path / "precious").read_text() == "precious"
    assert not (target / "README.md").is_symlink()


def test_a_target_that_is_a_file_is_an_error(kit: LayoutRepository, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("file")

    with pytest.raises(ModelKitError, match="not a directory"):
        unpack(kit, "v1", tmp_path / "out")


def test_failing_to_move_into_place_puts_everything_back(kit: LayoutRepository, tmp_path: Path) -> None:
    from kitops_orchestration.modelkit.unpacking import reveal

    target = tmp_path / "out"
    (target / "src").mkdir(parents=True)
    (target / "src/a.py").write_text("mine")
    stage = Workspace(target, "out")
    for path in ("src/a.py", "new.txt"):
        LayerSink(stage, "").file(path, 0o644, 1, lambda take: take(memoryview(b"n")))
    steps, _, _ = reveal._plan(stage.root, target, "overwrite", reveal._same_bytes)
    broken = [*steps, reveal._Step(stage.root / "gone", target / "gone", replaces=False)]

    with pytest.raises(ModelKitError, match="move the unpacked files"):
        reveal._move(broken, stage)
    stage.discard()

    assert names(target) == ["src/a.py"]
    assert (target / "src/a.py").read_text() == "mine"


def test_cancelling_leaves_nothing(
    make_context: Callable[..., Path], repository: LayoutRepository, tmp_path: Path
) -> None:
    context = make_context(
        {"Kitfile": "manifestVersion: 1.0.0\npackage: {name: x}\nmodel: {path: m}\n", "m": b"x" * 5_000_000}
    )
    pack(context, repository, tag="v1")
    stop = threading.Event()

    def listen(event: ProgressEvent) -> None:
        if event.state == "moved":
            stop.set()

    with pytest.raises(TransferCancelledError):
        unpack(repository, "v1", tmp_path / "work/out", progress=listen, cancel=stop)
    assert not (tmp_path / "work").exists()


def test_modes_and_empty_directories_are_kept(
    make_context: Callable[..., Path], repository: LayoutRepository, tmp_path: Path
) -> None:
    context = make_context(
        {"Kitfile": "manifestVersion: 1.0.0\npackage: {name: x}\nmodel: {path: m}\n", "m/ro/f": "1", "m/empty": None}
    )
    for path, mode in (("m/ro/f", 0o400), ("m/empty", 0o700), ("m/ro", 0o555)):
        (context / path).chmod(mode)
    pack(context, repository, tag="v1")

    unpack(repository, "v1", tmp_path / "new")
    (tmp_path / "there").mkdir()
    unpack(repository, "v1", tmp_path / "there")

    for target in ("new", "there"):
        modes = {path: (tmp_path / target / path).stat().st_mode & 0o7777 for path in ("m/ro/f", "m/empty", "m/ro")}
        assert modes == {"m/ro/f": 0o400, "m/empty": 0o700, "m/ro": 0o555}
        (tmp_path / target / "m/ro").chmod(0o755)
    (context / "m/ro").chmod(0o755)


def test_set_uid_is_packed_as_kit_does_but_never_unpacked(
    make_context: Callable[..., Path], repository: LayoutRepository, tmp_path: Path
) -> None:
    context = make_context({"Kitfile": "manifestVersion: 1.0.0\npackage: {name: x}\nmodel: {path: m}\n", "m": "1"})
    (context / "m").chmod(0o4755)
    pack(context, repository, tag="v1")

    unpack(repository, "v1", tmp_path / "out")

    assert (tmp_path / "out/m").stat().st_mode & 0o7777 == 0o755


def test_long_runs_of_zeros_become_holes(
    make_context: Callable[..., Path], repository: LayoutRepository, tmp_path: Path
) -> None:
    content = b"head" + bytes(20_000_000) + b"tail" + bytes(5_000_000)
    context = make_context({"Kitfile": "manifestVersion: 1.0.0\npackage: {name: x}\nmodel: {path: m}\n", "m": content})
    pack(context, repository, tag="v1")

    unpack(repository, "v1", tmp_path / "out")

    assert (tmp_path / "out/m").read_bytes() == content
    assert (tmp_path / "out/m").stat().st_blocks * 512 < len(content)


def test_names_that_fold_together_are_refused_where_case_is_folded(tmp_path: Path) -> None:
    stage = Workspace(tmp_path, "x", folds_case=True)
    sink = LayerSink(stage, "")
    sink.file("Readme", 0o644, 0, lambda take: None)

    with pytest.raises(UnsafePathError, match="only in case"):
        sink.file("README", 0o644, 0, lambda take: None)
    sink.directory("Data", 0o755)
    with pytest.raises(UnsafePathError, match="only in case"):
        sink.directory("data", 0o755)
    stage.discard()


def test_progress_ends_with_every_layer_finished(kit: LayoutRepository, tmp_path: Path) -> None:
    events: list[ProgressEvent] = []

    unpack(kit, "v1", tmp_path / "out", progress=events.append)

    assert {event.item for event in events if event.state == "finished"} == {
        "model model",
        "modelpart tokenizer.json",
        "code ./src/",
        "dataset data/train.csv",
        "dataset data/test.csv",
        "docs README.md",
    }


def test_a_failing_layer_is_reported(kit: LayoutRepository, tmp_path: Path) -> None:
    path = kit.blob_path(inspect(kit, "v1").layers[0].digest)
    path.chmod(0o644)
    path.write_bytes(bytes(path.stat().st_size))
    events: list[ProgressEvent] = []

    with pytest.raises(KitOpsError):
        unpack(kit, "v1", tmp_path / "out", progress=events.append)
    assert "failed" in {event.state for event in events}
    assert not (tmp_path / "out").exists()
