"""Ways that people take through the catalog, with mouse and keys; and who cannot see or hold much can go them, too."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kitops_orchestration.catalog import addresses
from tests.devtools import DevTools

HERE = Path(__file__).resolve().parent


def missing(why: str) -> None:
    """Skip on a machine that lacks something, and say so; in CI nothing may be missing."""
    if os.environ.get("CI"):
        pytest.fail(why)
    pytest.skip(why)


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> Iterator[DevTools]:
    program = shutil.which("chromium")
    if program is None:
        missing("chromium is not installed (apt-get install chromium)")
    with DevTools(str(program), tmp_path_factory.mktemp("browser")) as started:
        yield started


@pytest.fixture(scope="module")
def axe(tmp_path_factory, installers_environment) -> str:
    """The script of axe-core, which looks for what keeps people from reading or using a page."""
    npm = shutil.which("npm")
    if npm is None:
        missing("npm is not installed: apt-get install npm")
    place = tmp_path_factory.mktemp("axe")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / "axe" / name, place)
    command = [str(npm), "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--cache", str(place / "cache")]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, env=installers_environment)
    if done.returncode:
        missing(f"npm ci does not reach its registry: {done.stderr[-300:]}")
    return (place / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


def at(browser: DevTools) -> tuple[str, str]:
    """The name of the page's file, and its heading."""
    return browser.ask("location.pathname.split('/').pop()"), browser.ask("document.querySelector('h1').textContent")


def link(text: str, inside: str = "main") -> str:
    return f"[...document.querySelectorAll('{inside} a')].find(it => it.textContent.trim() === {text!r})"


def test_a_person_clicks_from_the_board_to_the_data_and_back(browser, sample) -> None:
    fraud = next(model for model in sample.catalog.models if model.name == "risk/fraud-score")
    newest, before = fraud.releases[-1], fraud.releases[-2]
    browser.show(1200, is_dark=False)
    browser.said.clear()
    browser.asked.clear()
    browser.open(sample.site / "index.html")
    browser.click(link(fraud.name))
    assert at(browser) == ("index.html", fraud.name)
    browser.click(link(newest.name))
    assert at(browser)[1] == f"fraud-score{newest.name}"
    assert browser.ask("location.pathname").endswith(addresses.version_page(fraud.name, newest.digest))
    browser.click(link("Compare in full"))
    assert browser.until("document.getElementById('pair').textContent.includes('→')")
    assert browser.ask("document.getElementById('pair').textContent") == f"{before.name} → {newest.name}"
    browser.click(link(fraud.name, ".crumbs"))
    browser.click("[...document.querySelectorAll('input[name=a]')].pop()", goes=False)
    browser.click("document.querySelector('button.go')")
    assert browser.until("document.querySelector('#compare table') !== null")
    assert browser.ask("document.getElementById('pair').textContent") == f"{fraud.releases[0].name} → {newest.name}"
    browser.click(link("Data", "nav"))
    browser.click(link("payments"))
    assert at(browser)[1] == "payments"
    rows = browser.ask("[...document.querySelectorAll('main th[scope=row]')].map(it => it.textContent.trim())")
    uses = next(item for item in sample.catalog.data_sets() if item.name == "payments").uses
    assert len([row for row in rows if row.startswith("risk/")]) >= len(uses)
    browser.click(link(f"{fraud.name} {newest.name}"))
    assert at(browser)[1] == f"fraud-score{newest.name}"
    assert browser.said == []
    folder = sample.site.as_uri()
    assert [address for address in browser.asked if not address.startswith(folder)] == []


def test_a_person_without_a_mouse_gets_there(browser, sample) -> None:
    browser.show(1200, is_dark=False)
    browser.open(sample.site / "index.html")
    browser.press("Tab", 9)
    assert browser.ask("document.activeElement.textContent") == "Skip to content"
    browser.press("/", 191)
    assert browser.ask("document.activeElement.id") == "q"
    browser.write("churn 1.3.0")
    assert browser.until("document.querySelectorAll('#hits a').length > 0")
    browser.press("ArrowDown", 40)
    browser.press("Enter", 13, goes=True)
    assert at(browser)[1] == "churn-risk1.3.0"
    outlines = browser.ask(
        "[...document.querySelectorAll('a, button, input, [tabindex=\"0\"]')].filter(it => it.offsetParent).map(it => {"
        " it.focus({focusVisible: true}); const s = getComputedStyle(it);"
        " return [it.outerHTML.slice(0, 60), s.outlineStyle !== 'none' || s.boxShadow !== 'none']; })"
        ".filter(pair => !pair[1])"
    )
    assert outlines == []


def pages_of(sample: Any, folder: Path) -> dict[str, tuple[Path, str]]:
    """One page of each kind, and the passport that is mailed."""
    fraud, label = (
        next(model for model in sample.catalog.models if model.name == name)
        for name in ("risk/fraud-score", "vision/label-reader")
    )
    one, two = fraud.releases[-2:]
    passport = folder / "passport.html"
    passport.write_text(sample.client.passport("risk/churn-risk:1.3.0", trust=sample.trust).to_html(), "utf-8")
    month = sorted(path.stem for path in (sample.site / "audit").glob("2026-*.html"))[-1]
    site = sample.site
    return {
        "board": (site / "index.html", ""),
        "model": (site / addresses.model_page(fraud.name), ""),
        "version": (site / addresses.version_page(fraud.name, two.digest), ""),
        "version with what does not count": (site / addresses.version_page(label.name, label.releases[-1].digest), ""),
        "compare": (site / addresses.compare_page(fraud.name), f"?a={one.digest}&b={two.digest}"),
        "data sets": (site / addresses.DATA_SETS, ""),
        "data set": (site / addresses.data_page(sample.catalog.data_sets()[0].identity), ""),
        "people": (site / addresses.PEOPLE, ""),
        "audit": (site / addresses.AUDIT, ""),
        "month": (site / addresses.audit_page(month), ""),
        "passport": (passport, ""),
    }


def faults(browser: DevTools, axe: str) -> list[str]:
    """What axe finds, whatever its impact, with the place."""
    browser.ask(f"{axe};0")
    found = browser.ask("axe.run(document, {resultTypes: ['violations']}).then(told => told.violations)")
    return [f"{item['impact']} {item['id']}: {node['html'][:120]}" for item in found for node in item["nodes"]]


def test_axe_finds_a_fault_where_there_is_one(browser, axe, tmp_path) -> None:
    """The tests below can fail."""
    page = tmp_path / "bad.html"
    page.write_text(
        '<!doctype html><html><body><button></button><p style="color:#ccc">pale words</p></body></html>', "utf-8"
    )
    browser.show(1200, is_dark=False)
    browser.open(page)
    found = " ".join(faults(browser, axe))
    assert "button-name" in found
    assert "color-contrast" in found


@pytest.mark.parametrize("is_dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1200, 390])
def test_axe_finds_nothing_on_any_kind_of_page(browser, axe, sample, tmp_path, width, is_dark) -> None:
    browser.show(width, is_dark=is_dark)
    found: dict[str, list[str]] = {}
    for kind, (page, query) in pages_of(sample, tmp_path).items():
        browser.open(page, query)
        if kind == "compare":
            browser.until("document.querySelector('#compare table') !== null")
        assert browser.ask("matchMedia('(prefers-color-scheme: dark)').matches") is is_dark
        paper = browser.ask("getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).slice(0, 3).map(Number)")
        assert (max(paper) < 64) is is_dark, f"{kind} is {paper} where it is {'dark' if is_dark else 'light'}"
        if told := faults(browser, axe):
            found[kind] = told
        needed = browser.ask("document.documentElement.scrollWidth")
        assert needed <= width, f"{kind} is {needed} wide"
    assert found == {}
