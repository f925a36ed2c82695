"""A folder of files is written whole or not at all, and no path of a file leaves it."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from kitops_orchestration.disk.hidden_folder import HiddenFolder
from kitops_orchestration.disk.whole_folder import replace_by_renames, write_whole_folder
from kitops_orchestration.errors import KitOpsError


def everything(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_folder_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    assert write_whole_folder(tmp_path / "site", [("a/b.html", b"1"), ("old", b"22")]) == (2, 3)
    assert write_whole_folder(tmp_path / "site", [("a/b.html", b"3"), ("a/..c", b"")]) == (2, 1)
    assert everything(tmp_path) == {"site/a/b.html": b"3", "site/a/..c": b""}


def test_who_reads_meanwhile_always_finds_a_whole_folder(tmp_path: Path) -> None:
    """A reader that looks all the time never finds a moment without the folder, and never half of one."""
    site = tmp_path / "site"
    write_whole_folder(site, [("index.html", b"0")])
    with HiddenFolder(tmp_path, "probe") as probe:
        (tmp_path / "other").mkdir()
        if not probe.exchange(tmp_path / "other"):
            pytest.skip("this file system cannot swap two names")
    seen: list[bytes | str] = []
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            try:
                seen.append((site / "index.html").read_bytes())
            except OSError as error:
                seen.append(repr(error))

    reader = threading.Thread(target=look)
    reader.start()
    try:
        for number in range(200):
            write_whole_folder(site, [("index.html", str(number).encode()), (f"{number}.html", b"")])
    finally:
        done.set()
        reader.join()
    assert [item for item in seen if isinstance(item, str)] == []
    assert len(set(seen)) > 5
    assert sorted(everything(site)) == ["199.html", "index.html"]
    assert sorted(item.name for item in tmp_path.iterdir()) == ["other", "site"]


def test_where_two_names_cannot_be_swapped_two_renames_do_it(tmp_path: Path) -> None:
    write_whole_folder(tmp_path / "site", [("old.html", b"1")])
    with HiddenFolder(tmp_path, "site") as made:
        (made.path / "new.html").write_bytes(b"2")
        replace_by_renames(made, tmp_path / "site")
    assert everything(tmp_path) == {"site/new.html": b"2"}


def test_a_link_to_a_folder_is_replaced_and_what_it_leads_to_stays(tmp_path: Path) -> None:
    write_whole_folder(tmp_path / "real", [("catalogue.json", b"{}")])
    (tmp_path / "site").symlink_to("real")
    write_whole_folder(tmp_path / "site", [("new.html", b"2")])
    assert everything(tmp_path / "real") == {"catalogue.json": b"{}"}
    assert everything(tmp_path / "site") == {"new.html": b"2"}


@pytest.mark.parametrize("path", ["../x", "a/../../x", "..", "/x", "", "a//x", "a/", ".", "a/./x", "a\0", "\0"])
def test_a_path_that_is_none_inside_is_refused_and_nothing_changes(tmp_path: Path, path: str) -> None:
    (tmp_path / "x").write_bytes(b"of somebody else")
    write_whole_folder(tmp_path / "site", [("index.html", b"before")])
    before = everything(tmp_path)
    for place in (path, str(tmp_path / "x")):
        with pytest.raises(KitOpsError, match="inside of its folder"):
            write_whole_folder(tmp_path / "site", [("index.html", b"after"), (place, b"evil")])
    assert everything(tmp_path) == before
    assert sorted(item.name for item in tmp_path.iterdir()) == ["site", "x"]
