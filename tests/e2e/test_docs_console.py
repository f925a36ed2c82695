"""The documentation in a browser: pages are whole at a desk and in the hand, and a console block gives its commands."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.devtools import DevTools
from tests.e2e.services import program

ROOT = Path(__file__).resolve().parents[2]
PAGE = """# Commands

```console
$ kitctl pack . -t team/iris:v1
packed  team/iris:v1
$ kitctl lineage team/iris:v1 \\
    --json
{"digest": "sha256:09a171"}
```
"""
# The button's text goes through an element of its own, which is what the browser then copies.
HEAR = "document.addEventListener('copy', () => { window.taken = document.activeElement.value || 'nothing' })"

# Every kind of page but those that are made of docstrings, which take as long as all others together.
PAGES = (
    "index.md",
    "tutorials/airflow.md",
    "tutorials/ci.md",
    "tutorials/dagster.md",
    "how-to/airflow-celery.md",
    "how-to/airflow-on-kubernetes.md",
    "how-to/airflow-release.md",
    "how-to/catalog.md",
    "how-to/dagster-assets.md",
    "how-to/sign-and-verify.md",
    "explanation/a-modelkit-is-a-graph.md",
    "explanation/architecture.md",
    "explanation/threat-model.md",
    "reference/airflow-configuration.md",
    "reference/airflow-connections.md",
    "reference/airflow-operators/index.md",
    "reference/airflow-operators/kitpromoteoperator.md",
    "reference/reliability.md",
)
# A word without a space or a hyphen in it, and shorter than what tools/table_names.py lets be broken, has one box.
LOOK = """(() => {
  const names = [...document.querySelectorAll('td code')].filter(it => /^[^\\s-]{1,27}$/.test(it.textContent));
  const here = [...document.querySelectorAll('a[href*="#"]')].map(it => new URL(it.href));
  const pictures = [...document.querySelectorAll('.md-content img')];
  return {
    'too wide': Math.max(0, document.documentElement.scrollWidth - innerWidth),
    'broken names': names.filter(it => it.getClientRects().length > 1).map(it => it.textContent),
    'not drawn': pictures.filter(it => !it.complete || !it.naturalWidth).map(it => it.src),
    'cannot be enlarged': pictures.filter(it => !it.closest('a[href$=".png"], a[href$=".svg"]')).map(it => it.src),
    'lead nowhere': here.filter(it => it.pathname === location.pathname && it.hash.length > 1)
      .map(it => decodeURIComponent(it.hash.slice(1))).filter(it => !document.getElementById(it)),
  };
})()"""

# Words have the size that the browser gives them, which the program that draws can only reckon.
WORDS = """(() => {
  const box = it => {
    const {x, y, width, height} = it.getBBox();
    return {it, x, y, right: x + Math.max(width, 0.1), bottom: y + Math.max(height, 0.1)};
  };
  const meet = (a, b) => a.x < b.right && b.x < a.right && a.y < b.bottom && b.y < a.bottom;
  const within = (a, b) => a.x >= b.x && a.right <= b.right && a.y >= b.y && a.bottom <= b.bottom;
  const words = [...document.querySelectorAll('text')].map(box)
    .map(it => ({...it, y: it.y + 2, bottom: it.bottom - 2})); // no letter reaches the top or the bottom of its line
  const shapes = [...document.querySelectorAll('rect, .store')].map(box);
  const arrows = [...document.querySelectorAll('.arrow')].map(box);
  const crossed = word => [...words.filter(it => it !== word && meet(it, word)), ...arrows.filter(it => meet(it, word)),
    ...shapes.filter(it => meet(it, word) && !within(word, it))];
  return words.filter(it => crossed(it).length).map(it => it.it.textContent);
})()"""


def build(folder: Path) -> Path:
    """Build the pages that lie in ``few`` below a folder, as ``make docs`` does, and return the site."""
    (folder / "few" / "stylesheets").symlink_to(ROOT / "docs" / "stylesheets")
    (folder / "few" / "pictures").symlink_to(ROOT / "docs" / "pictures")
    (folder / "tools").symlink_to(ROOT / "tools")
    settings = (ROOT / "mkdocs.yml").read_text()
    settings = settings[: settings.index("nav:")].replace("docs_dir: docs\n", "docs_dir: few\n")
    (folder / "mkdocs.yml").write_text(settings)
    subprocess.run(
        [Path(sys.executable).with_name("mkdocs"), "build", "--quiet"],
        cwd=folder,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        check=True,
    )
    return folder / "site"


def test_a_page_is_whole_at_a_desk_and_in_the_hand_and_takes_nothing_from_elsewhere(tmp_path: Path) -> None:
    for page in PAGES:
        (tmp_path / "few" / page).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "docs" / page, tmp_path / "few" / page)
    site = build(tmp_path)
    found: list[tuple[str, int, str, Any]] = []
    with DevTools(program("chromium"), tmp_path / "home") as tab:
        for page in PAGES:
            tab.show(1200, is_dark=False)
            tab.open((site / page).with_suffix(".html"))
            for width in (1200, 390):
                tab.show(width, is_dark=False)
                found += [(page, width, fault, what) for fault, what in tab.ask(LOOK).items() if what]
        elsewhere = {address for address in tab.asked if not address.startswith((site.as_uri(), "data:"))}
    assert (found, elsewhere) == ([], set())


def test_no_word_of_a_diagram_lies_over_another_an_arrow_or_an_edge(tmp_path: Path) -> None:
    pictures = [it for it in sorted((ROOT / "docs" / "pictures").glob("*.svg")) if it.name != "logo.svg"]
    with DevTools(program("chromium"), tmp_path / "home") as tab:
        crossed = {}
        for picture in pictures:
            tab.open(picture)
            assert tab.ask("document.querySelectorAll('text').length") > 3
            crossed[picture.stem] = tab.ask(WORDS)
    assert {name: words for name, words in crossed.items() if words} == {}


def test_the_button_of_a_console_block_copies_its_commands(tmp_path: Path) -> None:
    (tmp_path / "few").mkdir()
    (tmp_path / "few" / "index.md").write_text(PAGE)
    site = build(tmp_path)
    with DevTools(program("chromium"), tmp_path / "home") as tab:
        tab.open(site / "index.html")
        tab.ask(HEAR)
        button = "document.querySelector('.md-clipboard, .md-code__button[data-clipboard-target]')"
        tab.until(f"{button} !== null")
        tab.click(button, goes=False)
        taken = tab.until("window.taken")
    lines = [line.strip() for line in taken.splitlines() if line.strip()]
    commands = ["kitctl pack . -t team/iris:v1", "kitctl lineage team/iris:v1 \\", "--json"]
    assert lines == commands
