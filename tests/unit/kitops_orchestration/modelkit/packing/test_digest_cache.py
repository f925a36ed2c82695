"""Repacking what has not changed reads no file, and never gives a wrong digest."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from kitops_orchestration.modelkit.pack import PackResult, pack
from kitops_orchestration.modelkit.packing.digest_cache import CachedDigests, DigestCache, is_settled, key_of
from kitops_orchestration.modelkit.packing.walk import Entry
from kitops_orchestration.oci.descriptor import Digest
from kitops_orchestration.oci.layout import LayoutRepository
from kitops_orchestration.progress import ProgressEvent

KITFILE = "manifestVersion: 1.0.0\npackage: {name: x}\nmodel: {path: m}\n"
DIGESTS = CachedDigests(Digest("sha256:" + "1" * 64), Digest("sha256:" + "2" * 64), 7)


def entry(**changes: object) -> Entry:
    values = {
        "path": "m",
        "source": "/x/m",
        "mode": 0o644,
        "size": 5,
        "is_dir": False,
        "is_ignored": False,
        "stamp": (1, 2, 3, 4),
    }
    return Entry(**{**values, **changes})


@pytest.mark.parametrize(
    "change",
    [
        {"path": "n"},
        {"mode": 0o755},
        {"size": 6},
        {"stamp": (9, 2, 3, 4)},
        {"stamp": (1, 9, 3, 4)},
        {"stamp": (1, 2, 9, 4)},
        {"stamp": (1, 2, 3, 9)},
        {"is_dir": True},
    ],
)
def test_every_fact_is_part_of_the_key(change: Mapping[str, object]) -> None:
    assert key_of([entry()], "tar") != key_of([entry(**change)], "tar")


def test_the_form_is_part_of_the_key() -> None:
    assert key_of([entry()], "tar/none/") != key_of([entry()], "tar/gzip/zlib-1")


def test_a_directorys_times_are_not() -> None:
    assert key_of([entry(is_dir=True)], "tar") == key_of([entry(is_dir=True, stamp=(9, 9, 9, 9))], "tar")


def test_files_changed_in_the_same_tick_are_not_trusted() -> None:
    now = time.time_ns()

    assert not is_settled([entry(stamp=(now, 0, 1, 1))], now_ns=now)
    assert not is_settled([entry(stamp=(0, now - 10**9, 1, 1))], now_ns=now)
    assert is_settled([entry(stamp=(0, 0, 1, 1)), entry(is_dir=True, stamp=(now, now, 1, 1))], now_ns=now)


def test_what_is_put_is_got(tmp_path: Path) -> None:
    cache = DigestCache(tmp_path / "cache")
    key = key_of([entry()], "tar")

    assert cache.get(key) is None
    cache.put(key, DIGESTS)
    assert DigestCache(tmp_path / "cache").get(key) == DIGESTS


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"digest":"x"}', b"\xff"])
def test_damaged_files_count_as_nothing(content: bytes, tmp_path: Path) -> None:
    cache = DigestCache(tmp_path)
    cache.put("ab" + "c" * 62, DIGESTS)
    (tmp_path / "ab" / ("c" * 62)).write_bytes(content)

    assert cache.get("ab" + "c" * 62) is None


def test_a_cache_that_cannot_be_written_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")

    DigestCache(tmp_path / "file" / "cache").put("ab" + "c" * 62, DIGESTS)


def test_a_full_folder_drops_its_oldest(tmp_path: Path) -> None:
    cache = DigestCache(tmp_path)
    for number in range(520):
        cache.put(f"ab{number:062x}", DIGESTS)

    assert len(list((tmp_path / "ab").iterdir())) < 520
    assert cache.get(f"ab{519:062x}") == DIGESTS


@pytest.fixture
def packing(
    make_context: Callable[..., Path], repository: LayoutRepository, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[PackResult, int]]:
    """Return a function that packs one context and counts the layers that were hashed, in a time long after."""
    context = make_context({"Kitfile": KITFILE, "m/a": "1"})
    now = time.time_ns
    # The files were written a moment ago: move the clock instead of sleeping.
    monkeypatch.setattr("kitops_orchestration.modelkit.packing.writer.time.time_ns", lambda: now() + 10**10)

    def run(*, use_cache: bool = True, **changes: str) -> tuple[PackResult, int]:
        for name, content in changes.items():
            info = (context / "m" / name).stat()
            (context / "m" / name).write_text(content)
            os.utime(context / "m" / name, ns=(info.st_atime_ns, info.st_mtime_ns))
        events: list[ProgressEvent] = []
        result = pack(context, repository, use_cache=use_cache, progress=events.append)
        return result, sum(event.verb == "hash" and event.state == "finished" for event in events)

    return run


def test_repacking_reads_nothing(packing: Callable[..., tuple[PackResult, int]]) -> None:
    first, hashed = packing()
    again, hashed_again = packing()

    assert (hashed, hashed_again) == (1, 0)
    assert again.digest == first.digest


def test_the_cache_can_be_switched_off(packing: Callable[..., tuple[PackResult, int]]) -> None:
    packing()

    assert packing(use_cache=False)[1] == 1


def test_a_rewrite_that_keeps_size_and_mtime_is_noticed(packing: Callable[..., tuple[PackResult, int]]) -> None:
    first, _ = packing()
    second, hashed = packing(a="2")

    assert hashed == 1
    assert second.digest != first.digest
