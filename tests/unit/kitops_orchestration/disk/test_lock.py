"""Locks of one machine: who waits for whom, and how many files they leave."""

from __future__ import annotations

import threading

import pytest

from kitops_orchestration.disk.lock import brief_machine_lock, machine_lock


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KITOPS_ORCHESTRATION_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize("lock", [machine_lock, brief_machine_lock])
def test_threads_take_turns(lock) -> None:
    inside, most = [], []

    def work() -> None:
        for _ in range(20):
            with lock("a name"):
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(most), max(most)) == (80, 1)


def test_a_lock_of_a_stage_does_not_wait_for_a_brief_one() -> None:
    with machine_lock("team/iris:production"), brief_machine_lock("team/iris:production"):
        pass


def test_the_names_of_many_versions_share_files(cache) -> None:
    for number in range(20_000):
        with brief_machine_lock(f"team/iris:sha256-{number}"):
            pass
    assert len(list((cache / "locks").iterdir())) <= 4096


def test_without_a_folder_to_lock_in_a_brief_change_goes_on(cache) -> None:
    cache.write_text("")
    with brief_machine_lock("a name"):
        pass
    with pytest.raises(OSError, match="a directory"), machine_lock("a name"):
        pass
