"""Put into each page of the API the names that it is about, with what each of them is: for who reads it in a checkout.

    python tools/api_pages.py            writes them
    python tools/api_pages.py --check    says which page is behind, and exits 1

MkDocs puts the docstrings behind a line ``::: package``; elsewhere that line is all there is to see.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
_PLACE = re.compile(r"^::: (?P<module>[\w.]+)\n", re.MULTILINE)
_TABLE = re.compile(r"^\| name of `[\w.]+` \| what it is \|\n(?:\|.*\n)+\n", re.MULTILINE)
_ROLE = re.compile(r":\w+:`~?(?:[\w.]+\.)?(\w+)`")


def first_sentence(docstring: str) -> str:
    """Return the first paragraph up to its first full stop, in one line that a table can hold."""
    paragraph = " ".join(docstring.strip().split("\n\n")[0].split())
    sentence = re.split(r"(?<=[.:])\s", paragraph, maxsplit=1)[0].rstrip(":")
    return _ROLE.sub(r"`\1`", sentence).replace("``", "`").replace("|", "\\|")


def table_of(package: Any) -> str:
    """Return the table of a package as griffe has read it: its ``__all__``, or what has no underscore."""
    names = package.exports or [name for name, member in package.members.items() if _is_own(name, member)]
    lines = [f"| name of `{package.path}` | what it is |", "|---|---|"]
    for name in sorted(map(str, names)):
        member = package[name]
        said = member.docstring.value if member.docstring else ""
        lines.append(f"| `{name}` | {first_sentence(said)} |")
    return "\n".join(lines) + "\n\n"


def _is_own(name: str, member: Any) -> bool:
    return not name.startswith("_") and not member.is_alias and not member.is_module


def filled(page: str, load: Any) -> str:
    """Return the page with a table before each place that MkDocs fills; ``load`` reads a package by its name."""
    bare = _TABLE.sub("", page)
    return _PLACE.sub(lambda found: table_of(load(found["module"])) + found[0], bare)


def main(arguments: list[str]) -> int:
    """Run one of the two forms of the module's docstring; return the exit code."""
    import griffe

    loader = griffe.GriffeLoader(search_paths=[str(ROOT)])
    for package in ("kitops_orchestration", "airflow_kitops", "dagster_kitops"):
        loader.load(package)
    loader.resolve_aliases()
    load = loader.modules_collection.__getitem__

    behind = []
    for path in sorted((ROOT / "docs" / "reference" / "api").glob("*.md")):
        page = path.read_text(encoding="utf-8")
        made = filled(page, load)
        if made != page:
            behind.append(path.name)
            if arguments != ["--check"]:
                path.write_text(made, encoding="utf-8")
    if behind and arguments == ["--check"]:
        print(f"behind the code: {', '.join(behind)}; tools/api_pages.py writes them", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
