"""No two pages have one address, and no page stands where another one needs a folder, on any kind of disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kitops_orchestration.catalog import addresses
from kitops_orchestration.client import KitClient
from kitops_orchestration.oci.reference import folder_registry
from kitops_orchestration.testing import make_context_dir

DIGEST = "sha256:" + "0" * 64
PARTS = (
    "a",
    "index.html",
    "INDEX.HTML",
    "index.html~",
    "-",
    "p",
    "v",
    "1.html",
    "con",
    "con~",
    "con.",
    "a.",
    "a.~",
    "",
)
PARTS += (
    "con." + "a" * 250,
    "A",
    "~",
    "..",
    "compare.html",
    "versions.csv",
    addresses._part("A"),
    addresses._part("-"),
)
repositories = st.lists(st.sampled_from(PARTS) | st.text(max_size=4).filter(lambda text: "/" not in text), min_size=1)


def pages_of(repository: str) -> Iterator[str]:
    yield from (addresses.model_page(repository, number) for number in (None, 1, 2))
    yield from (addresses.version_page(repository, DIGEST), addresses.version_data(repository, DIGEST))
    yield from (addresses.compare_page(repository), addresses.versions_csv(repository))


@given(st.lists(repositories.map("/".join), unique=True, max_size=8))
@example(["a", "a/index.html"])
@example(["a", "a/INDEX.HTML", "a/-", "a/-/p", "a/-/p/1.html"])
@example(["con", "con~", "con."])
@example(list(PARTS))
def test_no_two_pages_of_any_repositories_meet(names: list[str]) -> None:
    pages = [page.lower() for name in names for page in pages_of(name)]  # some disks do not tell the case
    assert len(pages) == len(set(pages))
    folders = {str(folder) for page in pages for folder in PurePosixPath(page).parents}
    assert not folders & set(pages)
    for page in pages:
        assert all(0 < len(part) <= 255 and part not in (".", "..") for part in page.split("/"))


@pytest.mark.parametrize("name", ["a/index.html", "con." + "a" * 251])
def test_a_repository_that_is_called_like_a_page_stops_nothing(tmp_path, monkeypatch, name) -> None:
    monkeypatch.setenv("KITOPS_ORCHESTRATION_CACHE", str(tmp_path / "cache"))
    client = KitClient(folder_registry(tmp_path / "registry"))
    for at, each in enumerate(("a", name)):
        client.pack(make_context_dir(tmp_path / str(at), seed=at), f"{each}:v1")
    found = client.catalog(str(client.registry), into=tmp_path / "site")
    assert sorted(model.name for model in found.models) == sorted(["a", name])
    for model in found.models:
        assert (tmp_path / "site" / addresses.model_page(model.name)).is_file()
