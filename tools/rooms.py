"""Write into each inner folder's docstring the names that the rest of the code takes from it, and who takes them.

``make rooms`` writes, a test compares.  Everything else in a folder is private to it.  Public packages list names for
users in ``__all__`` instead (ADR 10); their docstrings are left alone.
"""

from __future__ import annotations

import ast
import re
import sys
import textwrap
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("kitops_orchestration", "airflow_kitops", "dagster_kitops")
PARAGRAPH = re.compile(r"^Used by .*?\n(?=\n|\Z|\"\"\")", re.MULTILINE | re.DOTALL)
WIDTH = 118


def main() -> int:
    """Write what differs, or with ``--check`` name it."""
    stale = {path: text for path, text in wanted().items() if path.read_text(encoding="utf-8") != text}
    for path, text in stale.items():
        if "--check" in sys.argv:
            print(f"{path.relative_to(ROOT)} does not say what others take from the folder: make rooms")
        else:
            path.write_text(text, encoding="utf-8")
    return len(stale) if "--check" in sys.argv else 0


def wanted() -> dict[Path, str]:
    """Return the text that the ``__init__`` of each folder without ``__all__`` should have."""
    taken = names_taken()
    found = {}
    for path in sorted(path for package in PACKAGES for path in (ROOT / package).rglob("__init__.py")):
        text = path.read_text(encoding="utf-8")
        if "__all__" not in text:
            found[path] = with_names(text, *taken.get(dotted(path.parent), ({}, set())))
    return found


def dotted(path: Path) -> str:
    """Return the name that Python has for a module or folder of the checkout."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def names_taken() -> dict[str, tuple[dict[str, set[str]], set[str]]]:
    """Return, for each package, what code outside of it imports: names by module, and the folders that import them."""
    taken: dict[str, tuple[dict[str, set[str]], set[str]]] = defaultdict(lambda: (defaultdict(set), set()))
    for path in sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        for module, name in imports_of(path):
            package, _, home = module.rpartition(".")
            if (ROOT / Path(*module.split("."), f"{name}.py")).exists():  # the module itself
                package, home, name = module, name, ""
            if not f"{dotted(path)}.".startswith(f"{package}."):
                names, users = taken[package]
                names[home].add(name)
                users.add(room_of(path, package))
    return taken


def room_of(path: Path, seen_from: str) -> str:
    """Return the name of a module's folder; without the package's own name in front, where both are of one package."""
    return dotted(path.parent).removeprefix(f"{seen_from.partition('.')[0]}.")


def imports_of(path: Path) -> Iterator[tuple[str, str]]:
    """Yield module and name of every ``from … import …`` of ours."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in PACKAGES:
            for alias in node.names:
                yield node.module or "", alias.name


def with_names(text: str, taken: dict[str, set[str]], users: set[str]) -> str:
    """Return the text with the paragraph put in, replaced or taken out."""
    parts = [f"``{home}``" + described(names - {""}) for home, names in sorted(taken.items())]
    by = ", ".join(f"``{user}``" for user in sorted(users))
    said = textwrap.fill(f"Used by {by}: {'; '.join(parts)}.", WIDTH, break_long_words=False, break_on_hyphens=False)
    paragraph = f"{said}\n" if parts else ""
    bare = PARAGRAPH.sub("", text).replace("\n\n\n", "\n\n")
    if not paragraph:
        return bare
    first, _, rest = bare.partition("\n")
    if first.endswith('"""') and first != '"""':  # a docstring of one line
        return f'{first[:-3]}\n\n{paragraph}"""\n{rest}'
    body, _, behind = bare[3:].partition('"""')
    prose, _, example = body.rstrip("\n").partition("\n\n    >>>")
    shown = f"\n    >>>{example}\n" if example else ""
    return f'"""{prose}\n\n{paragraph}{shown}"""{behind}'


def described(names: set[str]) -> str:
    """Return `` (a, b)``."""
    return f" ({', '.join(sorted(names, key=lambda name: (name.lower(), name)))})" if names else ""


if __name__ == "__main__":
    sys.exit(main())
