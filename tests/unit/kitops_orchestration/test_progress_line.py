"""One line of progress: what is written, how often, and what it adds up."""

from __future__ import annotations

import io
import threading
from pathlib import Path

from kitops_orchestration.client import KitClient, ProgressLine
from kitops_orchestration.progress import ProgressEvent

MIB = 1024 * 1024


def lines(stream: io.StringIO) -> list[str]:
    assert stream.getvalue().startswith("\r")
    return stream.getvalue().split("\r")[1:]


def test_blobs_are_added_up_by_bytes() -> None:
    stream = io.StringIO()
    line = ProgressLine(stream)
    line(ProgressEvent("push", "a", "started", 0, MIB))
    line(ProgressEvent("push", "b", "started", 0, 3 * MIB))
    line(ProgressEvent("push", "a", "finished", MIB, MIB))
    assert " 25%  1.0 MiB of 4.0 MiB  1 of 2 blobs" in lines(stream)[-1]
    line(ProgressEvent("push", "b", "mounted", 0, 3 * MIB))
    assert "100%  4.0 MiB of 4.0 MiB  2 of 2 blobs" in lines(stream)[-1]


def test_it_is_written_once_for_each_percent_however_often_bytes_come() -> None:
    stream = io.StringIO()
    line = ProgressLine(stream)
    for done in range(0, 100_000, 10):
        line(ProgressEvent("pull", "a", "moved", done, 100_000))
    assert len(lines(stream)) == 100


def test_another_call_of_the_same_client_begins_anew() -> None:
    stream = io.StringIO()
    line = ProgressLine(stream)
    for state in ("started", "finished", "started"):
        line(ProgressEvent("pack", "a", state, 0, MIB))
    assert "  0%  0 B of 1.0 MiB  0 of 1 blobs" in lines(stream)[-1]


def test_what_failed_is_said_and_not_counted_as_moved() -> None:
    stream = io.StringIO()
    line = ProgressLine(stream)
    line(ProgressEvent("push", "a", "failed", MIB // 2, MIB))
    assert lines(stream)[-1].rstrip().endswith("failed")
    assert " 50% " in lines(stream)[-1]


def test_a_shorter_line_covers_the_longer_one_before() -> None:
    stream = io.StringIO()
    line = ProgressLine(stream)
    line(ProgressEvent("push", "a", "failed", 1023 * 1024, 1023 * MIB))
    line(ProgressEvent("push", "a", "started", 0, 1))
    before, after = lines(stream)
    assert len(after) >= len(before)


def test_an_empty_blob_and_an_unknown_size_are_no_error() -> None:
    stream = io.StringIO()
    line = ProgressLine(stream)
    line(ProgressEvent("pull", "a", "started"))
    line(ProgressEvent("pull", "a", "moved", 5))
    line(ProgressEvent("pull", "a", "finished", 5, 5))
    assert "100%" in lines(stream)[-1]


def test_threads_do_not_tear_a_line() -> None:
    stream = io.StringIO()
    line = ProgressLine(stream)

    def move(item: str) -> None:
        for done in range(1001):
            line(ProgressEvent("push", item, "finished" if done == 1000 else "moved", done, 1000))

    threads = [threading.Thread(target=move, args=(str(number),)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert "100%  7.8 KiB of 7.8 KiB  8 of 8 blobs" in lines(stream)[-1]
    assert all(text.startswith("push ") for text in lines(stream))


def test_a_client_tells_it_of_a_pack(tmp_path: Path) -> None:
    stream = io.StringIO()
    (tmp_path / "kit").mkdir()
    (tmp_path / "kit" / "weights.bin").write_bytes(b"weights" * 1000)
    (tmp_path / "kit" / "Kitfile").write_text(
        "manifestVersion: 1.0.0\npackage: {name: iris}\nmodel: {path: weights.bin}\n"
    )
    KitClient(f"file://{tmp_path}/models", progress=ProgressLine(stream)).pack(tmp_path / "kit", "iris:v1")
    assert lines(stream)[-1].startswith("push ")
    assert "100%  8.5 KiB of 8.5 KiB" in lines(stream)[-1]  # and not twice, for being hashed before


def test_what_is_hashed_is_not_added_to_what_moves() -> None:
    stream = io.StringIO()
    line = ProgressLine(stream)
    line(ProgressEvent("hash", "a", "finished", MIB, MIB))
    line(ProgressEvent("push", "a", "started", 0, MIB))
    assert "  0%  0 B of 1.0 MiB  0 of 1 blobs" in lines(stream)[-1]
