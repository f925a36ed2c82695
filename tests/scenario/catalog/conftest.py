"""The sample catalog of ``examples/catalog.py``: three models of five versions, one red, one frozen, two that wait."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from kitops_orchestration.catalog.model import Catalog
from kitops_orchestration.client import KitClient
from kitops_orchestration.promotion import PromotionPolicy
from kitops_orchestration.signing import TrustPolicy

EXAMPLE = Path(__file__).parents[3] / "examples" / "catalog.py"


def example() -> Any:
    spec = importlib.util.spec_from_file_location("catalog_example", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass
class Sample:
    folder: Path
    client: KitClient
    policy: PromotionPolicy
    trust: TrustPolicy
    site: Path
    catalog: Catalog

    def text(self, path: str) -> str:
        return (self.site / path).read_text(encoding="utf-8")

    def read(self, path: str) -> Reader:
        return read(self.text(path))

    def pages(self) -> list[str]:
        return sorted(path.relative_to(self.site).as_posix() for path in self.site.rglob("*.html"))


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sample]:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("catalog")
        patch.setenv("KITOPS_ORCHESTRATION_CACHE", str(folder / "cache"))
        example().main(folder / "sample")
        client = KitClient(f"file://{folder}/sample/registry")
        policy, trust = (
            PromotionPolicy.load(folder / "sample" / "policy.yaml"),
            TrustPolicy.load(folder / "sample" / "trust.yaml"),
        )
        found = client.catalog(str(client.registry), policy=policy, trust=trust, into=folder / "site")
        yield Sample(folder, client, policy, trust, folder / "site", found)


VOID = {"meta", "link", "input", "br", "path", "circle", "rect", "polyline", "polygon", "line", "use", "img"}


class Reader(HTMLParser):
    """Reads a page: which elements and attributes it has, its links, its text, and that it is well-formed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag, attrs) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert reader.open == []
    return reader


@pytest.fixture(scope="session")
def read_page():
    return read
