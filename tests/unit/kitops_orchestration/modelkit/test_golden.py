"""Layers, configs and manifests of Kit's own test contexts, as Go's standard library computes them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from kitops_orchestration.modelkit.kitfile import Kitfile, Package
from kitops_orchestration.modelkit.pack import pack
from kitops_orchestration.oci import canonical
from kitops_orchestration.oci.layout import LayoutRepository
from kitops_orchestration.oci.media_types import ANNOTATION_CREATED

DATA = Path(__file__).parents[3] / "data"
CASES: dict[str, Any] = {case["name"]: case for case in json.loads((DATA / "kit_golden.json").read_text())["cases"]}
CLI_VERSION = "ml.kitops.modelkit.cli-version"
MakeContext = Callable[[Mapping[str, str]], Path]


def context_of(make_context: MakeContext, name: str) -> Path:
    case = CASES[name]
    return make_context({"Kitfile": case["kitfile"], **{path: f"testing: {path}" for path in case["files"]}})


@pytest.mark.parametrize("strict", ["kit", None])
@pytest.mark.parametrize("name", CASES)
def test_layers_and_config_have_their_golden_digests(
    name: str, strict: Any, make_context: MakeContext, repository: LayoutRepository
) -> None:
    result = pack(context_of(make_context, name), repository, strict=strict)

    layers = {layer.path: [layer.descriptor.size, layer.digest.removeprefix("sha256:")] for layer in result.layers}
    assert layers == {**layers, **CASES[name]["layers"]}
    config = CASES[name].get("config")
    assert config is None or config == [result.manifest.config.size, result.manifest.config.digest.hex]


@pytest.mark.parametrize("name", ["basic", "empty"])
def test_manifest_of_kit_1_7_has_its_golden_digest(
    name: str, make_context: MakeContext, repository: LayoutRepository
) -> None:
    result = pack(
        context_of(make_context, name),
        repository,
        profile="kit-1.7",
        strict="kit",
        annotations={CLI_VERSION: "1.7.0"},
    )

    assert [len(result.manifest.content), result.digest.hex] == CASES[name]["manifest17"]


def test_manifest_of_kit_1_15_has_its_golden_digest(make_context: MakeContext, repository: LayoutRepository) -> None:
    annotations = {CLI_VERSION: "1.15.0", ANNOTATION_CREATED: "2026-01-01T00:00:00Z"}

    result = pack(context_of(make_context, "basic"), repository, profile="kit", annotations=annotations)

    assert [len(result.manifest.content), result.digest.hex] == CASES["basic"]["manifest115"]


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (1.5e22, "1.5e+22"),
        (1e-6, "0.000001"),
        (9.9e-7, "9.9e-7"),
        (1 / 3, "0.3333333333333333"),
        (5e-324, "5e-324"),
    ],
)
def test_json_numbers_print_as_in_go(number: float, text: str) -> None:
    assert canonical.encode(number).decode() == text


def test_an_all_empty_kitfile_prints_as_in_go() -> None:
    kitfile = Kitfile.from_config(b'{"datasets":[{}],"docs":[{}]}')

    assert kitfile.to_config() == b'{"manifestVersion":"","package":{},"datasets":[{}],"docs":[{"path":""}]}'
    assert kitfile.package == Package()
