"""What pages tell people to install is there, under the one name that ADR 11 decides."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FILES = [*PAGES, *sorted((ROOT / "examples").rglob("*.yml")), *sorted((ROOT / "examples").rglob("*.ipynb"))]
LINE = re.compile(r"\bpip install (?P<words>[^`\n]*)")
OURS = re.compile(r"^'?(?:kitops-orchestration|\.)(?:\[(?P<extras>[\w,-]+)\])?'?$")
DECISION = ROOT / "docs" / "adr" / "0011-one-name-to-install.md"


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def asked_for(text: str) -> set[str]:
    """The extras of all install lines of a text; an empty word stands for the core alone."""
    found = set()
    for line in LINE.finditer(text):
        for word in line["words"].split(" #")[0].split():
            if ours := OURS.match(word):
                found |= set((ours["extras"] or "").split(","))
    return found


def test_every_extra_that_a_page_installs_exists() -> None:
    known = {"", *project()["optional-dependencies"]}
    wrong = {str(path.relative_to(ROOT)): asked_for(path.read_text(encoding="utf-8")) - known for path in FILES}
    assert {path: extras for path, extras in wrong.items() if extras} == {}


@pytest.mark.parametrize("name", ["dagster-kitops", "apache-airflow-providers-kitops", "airflow-kitops"])
def test_no_page_installs_a_name_that_is_not_ours(name: str) -> None:
    for path in set(FILES) - {DECISION}:
        assert not re.search(rf"pip install [^`\n]*{name}", path.read_text(encoding="utf-8")), path


def test_a_name_that_does_not_exist_would_be_found() -> None:
    assert asked_for("$ pip install 'kitops-orchestration[airflow,nonsense]' other") == {"airflow", "nonsense"}
    assert asked_for("pip install .   # core") == {""}
