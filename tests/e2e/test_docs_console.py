"""The documentation in a browser: what a reader takes from a console block are its commands alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

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


def test_the_button_of_a_console_block_copies_its_commands(tmp_path: Path) -> None:
    (tmp_path / "few").mkdir()
    (tmp_path / "few" / "index.md").write_text(PAGE)
    (tmp_path / "few" / "stylesheets").symlink_to(ROOT / "docs" / "stylesheets")
    settings = (ROOT / "mkdocs.yml").read_text()
    settings = settings[: settings.index("nav:")].replace("docs_dir: docs\n", "docs_dir: few\n")
    (tmp_path / "mkdocs.yml").write_text(settings)
    subprocess.run(
        [Path(sys.executable).with_name("mkdocs"), "build", "--quiet"],
        cwd=tmp_path,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        check=True,
    )
    with DevTools(program("chromium"), tmp_path / "home") as tab:
        tab.open(tmp_path / "site" / "index.html")
        tab.ask(HEAR)
        button = "document.querySelector('.md-clipboard, .md-code__button[data-clipboard-target]')"
        tab.until(f"{button} !== null")
        tab.click(button, goes=False)
        taken = tab.until("window.taken")
    lines = [line.strip() for line in taken.splitlines() if line.strip()]
    commands = ["kitctl pack . -t team/iris:v1", "kitctl lineage team/iris:v1 \\", "--json"]
    assert lines == commands
