from __future__ import annotations

import signal
import threading
import time

import pytest

from kitops_orchestration.mlflow_bridge.runs.artifacts import ArtifactStore
from kitops_orchestration.progress import ProgressEvent

FILES = 60


class Timeout(BaseException):
    """What a scheduler raises in the thread that waits."""


@pytest.fixture
def store(tmp_path):
    pytest.importorskip("mlflow")
    folder = tmp_path / "store"
    folder.mkdir()
    for number in range(FILES):
        (folder / f"{number:02}").write_bytes(b"content")
    return ArtifactStore(folder.as_uri())


def test_files_are_fetched_to_their_places(store, tmp_path) -> None:
    store.fetch(store.files(), tmp_path / "here", concurrency=4)
    assert sorted(path.name for path in (tmp_path / "here").iterdir()) == [f"{number:02}" for number in range(FILES)]


def test_an_exception_from_outside_stops_the_files_that_wait(store, tmp_path) -> None:
    def raise_timeout(*_: object) -> None:
        raise Timeout

    finished: list[str] = []

    def listen(event: ProgressEvent) -> None:
        if event.state == "finished":
            finished.append(event.item)
        if event.state == "finished" and len(finished) == 1:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
        time.sleep(0.02)

    before = signal.signal(signal.SIGUSR1, raise_timeout)
    try:
        with pytest.raises(Timeout):
            store.fetch(store.files(), tmp_path / "here", concurrency=2, progress=listen)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert len(list((tmp_path / "here").iterdir())) < FILES
