"""Packing: what goes into which layer, what is the same every time, what is said about what was left out."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
import zipfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from kitops_orchestration.errors import (
    InvalidReferenceError,
    KitfileError,
    ModelKitError,
    TransferCancelledError,
    UnsafePathError,
)
from kitops_orchestration.modelkit.inspect import inspect
from kitops_orchestration.modelkit.kitfile import Code, Kitfile, Model, Package
from kitops_orchestration.modelkit.pack import pack
from kitops_orchestration.modelkit.unpack import unpack
from kitops_orchestration.oci.layout import LayoutRepository
from kitops_orchestration.oci.reference import Reference, folder_registry
from kitops_orchestration.progress import ProgressEvent

HEAD = "manifestVersion: 1.0.0\npackage: {name: x}\n"
MakeContext = Callable[..., Path]


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def age(context: Path, seconds: int = 100) -> None:
    """Make every file look changed long ago, as far as a test can: ctime stays."""
    for path in context.rglob("*"):
        info = path.stat()
        os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns - seconds * 10**9))


def test_packing_twice_gives_one_digest_and_uploads_nothing(
    make_context: MakeContext, repository: LayoutRepository
) -> None:
    context = make_context({"Kitfile": HEAD + "model: {path: m}\n", "m/a": "1", "m/b": "2"})

    first, second = pack(context, repository, tag="a"), pack(context, repository, tag="b")

    assert first.digest == second.digest
    assert (first.uploaded_layers, second.uploaded_layers, second.uploaded_bytes) == (1, 0, 0)
    assert [layer.is_uploaded for layer in first.layers] == [True]
    assert first.size_bytes == sum(layer.descriptor.size for layer in first.layers)
    assert str(second.reference) == f"{repository.reference}:b@{second.digest}"


def test_file_times_do_not_change_the_manifest(make_context: MakeContext, repository: LayoutRepository) -> None:
    context = make_context({"Kitfile": HEAD + "model: {path: m}\n", "m": "1"})
    first = pack(context, repository)
    age(context)

    assert pack(context, repository).digest == first.digest
    assert inspect(repository, first.digest).created is None


def test_source_date_epoch_is_the_creation_time(
    make_context: MakeContext, repository: LayoutRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    context = make_context({"Kitfile": HEAD + "model: {path: m}\n", "m": "1"})

    for profile in ("reproducible", "kit"):
        result = pack(context, repository, profile=profile)
        assert result.manifest.annotations["org.opencontainers.image.created"] == "2023-11-14T22:13:20Z"
    created = inspect(repository, result.digest).created
    assert created is not None
    assert created.timestamp() == 1700000000


@pytest.mark.parametrize("wrong", ["", "no tag", "['a', 'b']"])
def test_an_extra_tag_that_is_none_is_told_before_a_tag_moves(
    make_context: MakeContext, repository: LayoutRepository, wrong: str
) -> None:
    context = make_context({"Kitfile": HEAD + "model: {path: m}\n", "m": "1"})
    with pytest.raises(InvalidReferenceError, match="not a tag"):
        pack(context, repository, tag="v1", extra_tags=["good", wrong])
    assert not repository.exists()


def test_an_annotation_that_is_not_text_is_refused(make_context: MakeContext, repository: LayoutRepository) -> None:
    context = make_context({"Kitfile": HEAD + "model: {path: m}\n", "m": "1"})
    annotations: Any = {"run": 7}
    with pytest.raises(ModelKitError, match="annotation 'run' is 7"):
        pack(context, repository, tag="v1", annotations=annotations)
    assert list(repository.tags()) == []


def test_extra_tags_and_annotations_are_written(make_context: MakeContext, repository: LayoutRepository) -> None:
    context = make_context({"Kitfile": HEAD + "model: {path: m}\n", "m": "1"})

    result = pack(context, repository, tag="v1", extra_tags=["latest", "prod"], annotations={"team": "vision"})

    assert {tag: repository.resolve(tag).digest for tag in repository.tags()} == dict.fromkeys(
        ["v1", "latest", "prod"], result.digest
    )
    assert result.manifest.annotations["team"] == "vision"


def test_grafts_are_packed_as_if_they_stood_in_the_context(
    make_context: MakeContext, repository: LayoutRepository, tmp_path: Path
) -> None:
    files = {"sub/weights.bin": "w", "sub/empty": None, "MLmodel": "flavors: {}"}
    plain = make_context(
        {"Kitfile": HEAD + "model: {path: deep/model}\n", **{f"deep/model/{k}": v for k, v in files.items()}}
    )
    bare = make_context({"Kitfile": HEAD + "model: {path: deep/model}\n"}, "bare")
    elsewhere = make_context(files, "elsewhere")

    expected = pack(plain, repository)
    result = pack(bare, repository, grafts={"./deep/model/": elsewhere}, use_cache=False)

    assert result.digest == expected.digest
    assert result.uploaded_layers == 0


def test_a_graft_may_be_a_file_and_hides_what_stands_there(
    make_context: MakeContext, repository: LayoutRepository, tmp_path: Path
) -> None:
    context = make_context(
        {"Kitfile": HEAD + "model: {path: m}\n", "m/a": "old", "m/b": "b", ".kitignore": "**/*.tmp\n"}
    )
    (tmp_path / "other").write_text("new")
    (tmp_path / "ignored").write_text("never")

    pack(context, repository, tag="v1", grafts={"m/a": tmp_path / "other", "m/c.tmp": tmp_path / "ignored"})
    unpack(repository, "v1", tmp_path / "out")

    assert (tmp_path / "out/m/a").read_text() == "new"
    assert names(tmp_path / "out") == ["Kitfile", "m/a", "m/b"]


@pytest.mark.parametrize(
    ("where", "error"), [("../x", UnsafePathError), ("/x", UnsafePathError), (".", UnsafePathError)]
)
def test_a_graft_outside_the_context_is_refused(
    where: str, error: type[Exception], make_context: MakeContext, repository: LayoutRepository, tmp_path: Path
) -> None:
    context = make_context({"Kitfile": HEAD, "m": "1"})

    with pytest.raises(error):
        pack(context, repository, grafts={where: tmp_path})
    with pytest.raises(ModelKitError, match="does not exist"):
        pack(context, repository, grafts={"m": tmp_path / "missing"})


def test_a_kitfile_may_come_as_a_value_or_from_another_file(
    make_context: MakeContext, repository: LayoutRepository, tmp_path: Path
) -> None:
    context = make_context({"m": "1"})
    kitfile = Kitfile("1.0.0", Package("x"), Model(path="m"))
    kitfile.save(tmp_path / "other.yaml")

    assert (
        pack(context, repository, kitfile=kitfile).digest
        == pack(context, repository, kitfile=tmp_path / "other.yaml").digest
    )
    with pytest.raises(KitfileError):
        pack(context, repository, kitfile=Kitfile(code=(Code("a"), Code("./a"))))
    with pytest.raises(KitfileError, match="no Kitfile"):
        pack(context, repository)


def test_links_are_kept_as_files_or_named(
    make_context: MakeContext, repository: LayoutRepository, tmp_path: Path
) -> None:
    context = make_context({"Kitfile": HEAD + "model: {path: m}\n", "m/real": "content", "m/sub/x": "x"})
    (tmp_path / "secret").write_text("secret")
    (context / "m/inside").symlink_to("real")
    (context / "m/outside").symlink_to(tmp_path / "secret")
    (context / "m/dangling").symlink_to("nowhere")
    (context / "m/folder").symlink_to("sub")
    (context / "m/loop").symlink_to("loop")
    os.mkfifo(context / "m/pipe")

    result = pack(context, repository, tag="v1")
    unpack(repository, "v1", tmp_path / "out")

    assert names(tmp_path / "out") == ["Kitfile", "m/inside", "m/real", "m/sub/x"]
    assert (tmp_path / "out/m/inside").read_text() == "content"
    assert sorted(warning.partition(":")[0] for warning in result.warnings) == [
        "m/dangling",
        "m/folder",
        "m/loop",
        "m/outside",
        "m/pipe",
    ]


def test_strict_drops_links_as_kit_does_and_says_so(make_context: MakeContext, repository: LayoutRepository) -> None:
    context = make_context({"Kitfile": HEAD + "model: {path: m}\n", "m/real": "content"})
    plain = pack(context, repository, strict="kit")
    (context / "m/link").symlink_to("real")

    result = pack(context, repository, strict="kit")

    assert result.digest == plain.digest
    assert any("m/link" in warning for warning in result.warnings)


def test_names_with_two_dots_are_kept_unless_strict(make_context: MakeContext, repository: LayoutRepository) -> None:
    context = make_context({"Kitfile": HEAD + "model: {path: m}\n", "m/a..b": "1", "m/c": "2"})

    ours, kits = pack(context, repository), pack(context, repository, strict="kit")

    assert ours.size_bytes == kits.size_bytes + 1024
    assert any("a..b" in warning for warning in kits.warnings)
    assert not ours.warnings


def test_a_layer_path_may_be_a_link_inside_the_context(
    make_context: MakeContext, repository: LayoutRepository, tmp_path: Path
) -> None:
    context = make_context({"Kitfile": HEAD + "model: {path: current}\n", "v2/w": "2"})
    (context / "current").symlink_to("v2")

    pack(context, repository, tag="v1")
    unpack(repository, "v1", tmp_path / "out")

    assert (tmp_path / "out/current/w").read_text() == "2"


def test_a_layer_path_that_links_out_of_the_context_is_an_error(
    make_context: MakeContext, repository: LayoutRepository, tmp_path: Path
) -> None:
    context = make_context({"Kitfile": HEAD + "model: {path: current}\n"})
    (context / "current").symlink_to(tmp_path)

    with pytest.raises(ModelKitError, match="current"):
        pack(context, repository)


def test_a_missing_path_is_named(make_context: MakeContext, repository: LayoutRepository) -> None:
    context = make_context({"Kitfile": HEAD + "model: {path: nope}\n"})

    with pytest.raises(ModelKitError, match="'nope' does not exist"):
        pack(context, repository, tag="v1")
    assert not repository.exists()


def test_a_layer_that_is_ignored_as_a_whole_is_an_error(
    make_context: MakeContext, repository: LayoutRepository
) -> None:
    context = make_context({"Kitfile": HEAD + "model: {path: m}\n", "m/a": "1", ".kitignore": "# ours\nm\n"})

    for strict in (None, "kit"):
        with pytest.raises(ModelKitError, match=r"pattern 'm' in line 2 of \.kitignore"):
            pack(context, repository, strict=strict)
    assert not repository.directory.exists()


def test_names_that_differ_only_in_case_are_pointed_out(
    make_context: MakeContext, repository: LayoutRepository
) -> None:
    context = make_context({"Kitfile": HEAD + "model: {path: m}\n", "m/A": "1", "m/a": "2"})

    assert "only in case" in pack(context, repository).warnings[0]


def test_raw_layers_are_the_files_themselves(
    make_context: MakeContext, repository: LayoutRepository, tmp_path: Path
) -> None:
    context = make_context({"Kitfile": HEAD + "model: {path: ./w.bin}\n", "w.bin": "weights"})
    (context / "w.bin").chmod(0o640)

    result = pack(context, repository, tag="v1", layer_format="raw")

    layer = result.layers[0].descriptor
    assert layer.media_type == "application/vnd.kitops.modelkit.model.v1.raw"
    assert repository.blob_path(layer.digest).read_bytes() == b"weights"
    assert layer.annotations["org.cncf.model.filepath"] == "w.bin"
    assert json.loads(layer.annotations["org.cncf.model.file.metadata+json"]) == {
        "name": "w.bin",
        "mode": 0o640,
        "uid": 0,
        "gid": 0,
        "size": 7,
        "mtime": "1970-01-01T00:00:00Z",
        "typeflag": 48,
    }
    unpack(repository, "v1", tmp_path / "out")
    assert (tmp_path / "out/w.bin").stat().st_mode & 0o777 == 0o640


def test_a_raw_layer_has_to_be_one_file(make_context: MakeContext, repository: LayoutRepository) -> None:
    context = make_context({"Kitfile": HEAD + "model: {path: m}\n", "m/a": "1"})

    with pytest.raises(ModelKitError, match="single file"):
        pack(context, repository, layer_format="raw")


def test_prompts_are_code_layers_with_a_mark(
    make_context: MakeContext, repository: LayoutRepository, tmp_path: Path
) -> None:
    kitfile = HEAD + "code: [{path: code}]\nprompts: [{path: code/SKILL.md}, {path: prompts/}]\n"
    context = make_context({"Kitfile": kitfile, "code/a.py": "1", "code/SKILL.md": "2", "prompts/p.prompt": "3"})

    result = pack(context, repository, tag="v1")

    assert [layer.kind for layer in result.layers] == ["code", "prompt", "prompt"]
    assert {layer.descriptor.media_type for layer in result.layers} == {"application/vnd.kitops.modelkit.code.v1.tar"}
    assert result.layers[1].descriptor.annotations["ml.kitops.modelkit.layer-subtype"] == "prompt"
    unpack(repository, "v1", tmp_path / "out", filters=["prompts"])
    assert names(tmp_path / "out") == ["code/SKILL.md", "prompts/p.prompt"]


def test_mcp_bundles_stay_the_same_bytes(
    make_context: MakeContext, repository: LayoutRepository, tmp_path: Path
) -> None:
    context = make_context({"Kitfile": HEAD + "mcpServers: [{name: files, path: files.mcpb}]\n"})
    with zipfile.ZipFile(context / "files.mcpb", "w") as archive:
        archive.writestr("manifest.json", "{}")

    result = pack(context, repository, tag="v1", compression="gzip")

    assert result.layers[0].descriptor.media_type == "application/vnd.kitops.modelkit.mcpb.v1.raw"
    unpack(repository, "v1", tmp_path / "out")
    assert (tmp_path / "out/files.mcpb").read_bytes() == (context / "files.mcpb").read_bytes()
    with pytest.raises(ModelKitError, match="mcpServers"):
        pack(context, repository, model_pack=True)
    (context / "files.mcpb").write_text("not a zip")
    with pytest.raises(ModelKitError, match="MCP bundle"):
        pack(context, repository)


@pytest.mark.parametrize("compression", ["gzip", "gzip-fastest", "zstd"])
@pytest.mark.parametrize("layer_format", ["tar", "raw"])
def test_compressed_layers_keep_the_diff_id_and_leave_no_spool(
    compression: Any, layer_format: Any, make_context: MakeContext, repository: LayoutRepository, tmp_path: Path
) -> None:
    context = make_context({"Kitfile": HEAD + "model: {path: m.bin}\n", "m.bin": b"abc" * 100_000})
    plain = pack(context, repository, layer_format=layer_format)

    result = pack(context, repository, tag="v1", compression=compression, layer_format=layer_format)

    assert result.layers[0].diff_id == plain.layers[0].digest
    assert result.size_bytes < plain.size_bytes / 10
    suffix = compression.removesuffix("-fastest")
    assert result.layers[0].descriptor.media_type.endswith(f".v1.{layer_format}+{suffix}")
    unpack(repository, "v1", tmp_path / "out")
    assert (tmp_path / "out/m.bin").read_bytes() == b"abc" * 100_000
    assert not list((tmp_path / "cache/spool").iterdir())


def test_gzip_headers_are_those_of_go(make_context: MakeContext, repository: LayoutRepository) -> None:
    context = make_context({"Kitfile": HEAD + "model: {path: m}\n", "m": "1"})

    heads = {
        name: repository.blob_path(pack(context, repository, compression=name).layers[0].digest).read_bytes()[:10]
        for name in ("gzip", "gzip-fastest")
    }

    assert heads == {
        "gzip": bytes.fromhex("1f8b08000000000000ff"),
        "gzip-fastest": bytes.fromhex("1f8b08000000000004ff"),
    }


def test_a_model_that_is_only_described_has_no_layer(make_context: MakeContext, repository: LayoutRepository) -> None:
    context = make_context({"Kitfile": HEAD + "model: {name: described}\n"})

    result = pack(context, repository)

    assert result.layers == ()
    assert b'"layers":[]' in result.manifest.content
    assert b'"layers":null' in pack(context, repository, strict="kit").manifest.content


def test_cancelling_stops_before_the_tag(make_context: MakeContext, repository: LayoutRepository) -> None:
    context = make_context({"Kitfile": HEAD + "model: {path: m}\n", "m": b"x" * 3_000_000})
    stop = threading.Event()

    def listen(event: ProgressEvent) -> None:
        if event.state == "moved":
            stop.set()

    with pytest.raises(TransferCancelledError):
        pack(context, repository, tag="v1", progress=listen, cancel=stop)
    assert list(repository.tags()) == []


def test_an_exception_from_outside_stops_the_layers_that_are_being_written(
    make_context: MakeContext, repository: LayoutRepository
) -> None:
    """A task's timeout and Ctrl-C are raised in the thread that waits for the layers."""
    size = 40_000_000
    context = make_context({"Kitfile": HEAD + "model: {path: m}\n", "m": os.urandom(1_000_000) * 40})
    moved: list[int] = []

    class Timeout(BaseException):
        pass

    def raise_timeout(*_: object) -> None:
        raise Timeout

    def listen(event: ProgressEvent) -> None:
        if event.state == "moved":
            if not moved:
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
            moved.append(event.bytes_done)
            time.sleep(0.05)

    before = signal.signal(signal.SIGUSR1, raise_timeout)
    try:
        with pytest.raises(Timeout):
            pack(context, repository, tag="v1", progress=listen)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert max(moved) < size
    assert list(repository.tags()) == []


def test_a_file_that_changes_while_it_is_packed_is_an_error(
    make_context: MakeContext, repository: LayoutRepository
) -> None:
    context = make_context({"Kitfile": HEAD + "model: {path: m}\n", "m/a": b"x" * 3_000_000, "m/b": "y"})

    def listen(event: ProgressEvent) -> None:
        if event.state == "started":
            (context / "m/b").write_text("longer than before")

    with pytest.raises(ModelKitError, match="changed while"):
        pack(context, repository, tag="v1", progress=listen)
    assert list(repository.tags()) == []


def test_progress_counts_up_to_the_size_of_the_layer(make_context: MakeContext, repository: LayoutRepository) -> None:
    context = make_context({"Kitfile": HEAD + "model: {path: m}\n", "m": b"x" * 3_000_000})
    events: list[ProgressEvent] = []

    result = pack(context, repository, progress=events.append)

    size = result.layers[0].descriptor.size
    for verb in ("hash", "push"):
        done = [event.bytes_done for event in events if event.verb == verb]
        assert done == sorted(done)
        assert done[-1] == size


def test_parts_of_the_same_bytes_are_two_layers(
    make_context: MakeContext, repository: LayoutRepository, tmp_path: Path
) -> None:
    kitfile = HEAD + "model: {path: a.bin, parts: [{path: b.bin}, {path: c.bin}]}\n"
    context = make_context({"Kitfile": kitfile, "a.bin": "same", "b.bin": "same", "c.bin": "same"})

    result = pack(context, repository, tag="v1", layer_format="raw")
    unpack(repository, "v1", tmp_path / "out")

    assert len({layer.digest for layer in result.layers}) == 1
    assert names(tmp_path / "out") == ["Kitfile", "a.bin", "b.bin", "c.bin"]
    assert [layer.path for layer in inspect(repository, "v1").layers] == ["a.bin", "b.bin", "c.bin"]


def test_nothing_is_written_into_a_context_or_beside_the_repository(make_context: MakeContext, tmp_path: Path) -> None:
    context = make_context({"Kitfile": HEAD + "model: {path: m}\n", "m": "1"})
    before = names(context)

    pack(context, LayoutRepository(Reference(folder_registry(tmp_path / "r"), "a/b")), tag="v1")

    assert names(context) == before


def test_raw_layers_of_kits_profile_tell_the_files_time(
    make_context: MakeContext, repository: LayoutRepository
) -> None:
    context = make_context({"Kitfile": HEAD + "model: {path: w.bin}\n", "w.bin": "weights"})
    os.utime(context / "w.bin", ns=(0, 1_700_000_000_123_456_700))

    layer = pack(context, repository, layer_format="raw", profile="kit").layers[0].descriptor

    text = json.loads(layer.annotations["org.cncf.model.file.metadata+json"])["mtime"]
    assert ".1234567" in text
    assert datetime.fromisoformat(text).timestamp() == pytest.approx(1_700_000_000.1234567)


@pytest.mark.parametrize("where", ["kits", "some [odd] *name"])
def test_a_folder_registry_inside_the_context_does_not_pack_itself(where: str, make_context: MakeContext) -> None:
    context = make_context({"Kitfile": HEAD + "code: [{path: .}]\n", "a.py": "1"})
    repository = LayoutRepository(Reference(folder_registry(context / where), "iris"))

    first, again = pack(context, repository, tag="v1"), pack(context, repository, tag="v1")

    assert again.digest == first.digest
    assert first.size_bytes == 2048
    assert "left out" in first.warnings[0]


def test_what_is_called_before_the_tag_finds_all_but_the_tag(
    make_context: MakeContext, repository: LayoutRepository
) -> None:
    context = make_context({"Kitfile": HEAD + "model: {path: m}\n", "m": "1"})
    seen: list[Any] = []

    def look(result: Any) -> None:
        seen.append((result.reference, list(repository.tags()), inspect(repository, result.digest).manifest))

    result = pack(context, repository, tag="v1", extra_tags=["v2"], before_tag=look)

    assert seen == [(result.reference, [], result.manifest)]
    assert list(repository.tags()) == ["v1", "v2"]
    assert result.reference.tag == "v1"


def test_what_is_raised_before_the_tag_leaves_the_tag_where_it_was(
    make_context: MakeContext, repository: LayoutRepository
) -> None:
    context = make_context({"Kitfile": HEAD + "model: {path: m}\n", "m": "1"})
    first = pack(context, repository, tag="v1")
    (context / "m").write_text("2")

    def refuse(result: Any) -> None:
        raise ModelKitError("no")

    with pytest.raises(ModelKitError, match="no"):
        pack(context, repository, tag="v1", before_tag=refuse)
    assert repository.resolve("v1").digest == first.digest
