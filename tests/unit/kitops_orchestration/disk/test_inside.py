from __future__ import annotations

from pathlib import Path

import pytest

from kitops_orchestration.disk.inside import inside


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "kit"
    (found / "model").mkdir(parents=True)
    (found / "model" / "a.bin").write_text("a")
    (found / "within").symlink_to("model")
    (found / "out").symlink_to(tmp_path)
    (found / "loop").symlink_to("loop")
    (tmp_path / "kit-of-others").mkdir()
    return found


@pytest.mark.parametrize("path", ["", "model/a.bin", "within/a.bin", "none/yet", "model/../model/a.bin"])
def test_what_lies_in_the_folder_is_returned(folder: Path, path: str) -> None:
    assert inside(folder, path) == folder / path


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "..", "../kit-of-others", "model/../../x", "out", "out/kit-of-others", "a\0b"]
)
def test_what_does_not_is_none(folder: Path, path: str) -> None:
    assert inside(folder, path) is None


def test_links_in_a_circle_lead_nowhere(folder: Path) -> None:
    found = inside(folder, "loop/x")
    assert found is None or not found.exists()


def test_the_folder_itself_may_be_reached_by_a_link(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "linked").symlink_to(folder)
    assert inside(tmp_path / "linked", "model/a.bin") == tmp_path / "linked" / "model" / "a.bin"
