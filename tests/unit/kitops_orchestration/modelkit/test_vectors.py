"""ModelKits that the real Kit CLI packed, and figures computed with Go's standard library."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kitops_orchestration.modelkit.inspect import inspect
from kitops_orchestration.modelkit.kitfile import Kitfile
from kitops_orchestration.modelkit.layers.tar import header
from kitops_orchestration.modelkit.pack import pack
from kitops_orchestration.modelkit.unpack import unpack
from kitops_orchestration.oci.layout import LayoutRepository

DATA = Path(__file__).parents[3] / "data"
CASES: dict[str, Any] = {case["name"]: case for case in json.loads((DATA / "modelkits.json").read_text())["cases"]}
HEADERS = json.loads((DATA / "tar_headers.json").read_text())["headers"]
# In these cases Kit's string-prefix test drops files that are in no other layer: our default keeps them.
KIT_DEFECTS = {"overlap"}


def expected(name: str) -> list[tuple[str, str, int]]:
    return [(layer["mediaType"], layer["digest"], layer["size"]) for layer in CASES[name]["layers"]]


def packed(result: Any) -> list[tuple[str, str, int]]:
    return [(layer.descriptor.media_type, layer.digest, layer.descriptor.size) for layer in result.layers]


@pytest.mark.parametrize("name", CASES)
def test_strict_pack_gives_the_bytes_of_kit(
    name: str, make_vector: Callable[[str], Path], repository: LayoutRepository
) -> None:
    result = pack(make_vector(name), repository, strict="kit", use_cache=False)

    assert packed(result) == expected(name)
    assert result.kitfile.to_config().decode() == CASES[name]["config"]["json"]
    assert result.manifest.config.digest == CASES[name]["config"]["digest"]


@pytest.mark.parametrize("name", sorted(set(CASES) - KIT_DEFECTS))
def test_default_pack_gives_the_bytes_of_kit_where_kit_is_right(
    name: str, make_vector: Callable[[str], Path], repository: LayoutRepository
) -> None:
    result = pack(make_vector(name), repository)

    assert packed(result) == expected(name)
    assert result.manifest.config.digest == CASES[name]["config"]["digest"]
    assert all("only in case" in warning for warning in result.warnings)


def test_default_pack_keeps_files_that_only_share_a_prefix_with_another_layer(
    make_vector: Callable[[str], Path], repository: LayoutRepository, tmp_path: Path
) -> None:
    pack(make_vector("overlap"), repository, tag="ours")

    unpack(repository, "ours", tmp_path / "out")

    assert (tmp_path / "out/main-dirty/notmodel").stat().st_size == 13


def test_strict_pack_names_the_files_that_kit_drops(
    make_vector: Callable[[str], Path], repository: LayoutRepository
) -> None:
    result = pack(make_vector("overlap"), repository, strict="kit")

    assert any("main-dirty/notmodel" in warning for warning in result.warnings)


@pytest.mark.parametrize("name", CASES)
def test_unpacked_vectors_have_their_content_and_modes(
    name: str, make_vector: Callable[[str], Path], repository: LayoutRepository, tmp_path: Path
) -> None:
    context = make_vector(name)
    pack(context, repository, tag="v1")

    result = unpack(repository, "v1", tmp_path / "out")

    for path in (path for path in (tmp_path / "out").rglob("*") if path.name != "Kitfile"):
        original = context / path.relative_to(tmp_path / "out")
        assert path.is_dir() == original.is_dir()
        assert path.stat().st_mode == original.stat().st_mode
        assert path.is_dir() or path.read_bytes() == original.read_bytes()
    assert result.kitfile == inspect(repository, "v1").kitfile


@pytest.mark.parametrize("name", CASES)
def test_configs_of_kit_are_read_and_written_back_as_they_were(name: str) -> None:
    text = CASES[name]["config"]["json"]

    assert Kitfile.from_config(text.encode()).to_config().decode() == text


@pytest.mark.parametrize("case", HEADERS, ids=[f"{case['name'][:12]}-{case['size']}" for case in HEADERS])
def test_tar_headers_are_those_of_go(case: dict[str, Any]) -> None:
    block = header(case["name"], int(case["mode"], 8), case["size"], case["type"].encode())

    assert (len(block), hashlib.sha256(block).hexdigest()) == (case["bytes"], case["sha256"])
