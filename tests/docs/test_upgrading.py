"""What the page on upgrading says is gone is gone, and what it says to use instead is there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from kitops_orchestration.client import KitClient

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "reference" / "upgrading.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (?!before|---)(.+?) \| (.+) \|$", PAGE, re.MULTILINE)
METHOD = re.compile(r"^`KitClient\.(\w+)`$")


@pytest.mark.parametrize(("before", "now"), [row for row in ROWS if METHOD.match(row[0])])
def test_a_method_that_is_called_otherwise_now(before: str, now: str) -> None:
    old, new = METHOD.match(before), METHOD.match(now)
    assert old
    assert new
    assert not hasattr(KitClient, old[1])
    assert callable(getattr(KitClient, new[1]))


@pytest.mark.parametrize(("before", "now"), [row for row in ROWS if row[0].startswith("the verb ")])
def test_a_former_verb_is_taken_and_not_shown(before: str, now: str) -> None:
    kitctl = Path(sys.executable).with_name("kitctl")
    old, new = re.search(r"`([\w-]+)`", before)[1], re.search(r"`kitctl ([\w-]+)`", now)[1]

    def said(*words: str) -> str:
        done = subprocess.run([kitctl, *words, "--help"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def body(verb: str) -> list[str]:
        return said(verb).splitlines()[1:]

    assert body(old) == body(new)
    assert not re.search(rf"^  {old} ", said(), re.MULTILINE)
    assert re.search(rf"^  {new} ", said(), re.MULTILINE)


def test_a_former_member_is_in_no_schema_and_the_new_one_is_in_the_documentation() -> None:
    schemas = "".join(path.read_text() for path in (ROOT / "docs" / "reference" / "schemas").glob("*.json"))
    pages = (ROOT / "docs" / "reference").rglob("*.md")
    told = "".join(path.read_text(encoding="utf-8") for path in pages if path.name != "upgrading.md")
    section = PAGE.split("## To 0.1.0: JSON and XCom")[1].split("\n## ")[0]
    rows = [row for row in ROWS if " | ".join(row) in section and re.fullmatch(r"(?:`\w+_\w+`(?:, )?)+", row[0])]
    assert len(rows) == 9
    for before, now in rows:
        for old in re.findall(r"`(\w+)`", before):
            assert f'"{old}"' not in schemas, old
        for new in re.findall(r"`(\w+)`", now):
            assert f'"{new}"' in schemas or f"`{new}`" in told, new
