"""Check that a release is what it says: its tag, its version, and the changelog that is closed under it.

python tools/release.py v1.2.3      says what does not agree, and exits 1
python tools/release.py --version   prints the version
python tools/release.py --notes     prints what the changelog says of the version
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_HEAD = re.compile(r"^## \[(?P<name>[^\]]+)\](?: - (?P<date>\d{4}-\d{2}-\d{2}))?\s*$", re.MULTILINE)


def version(root: Path = ROOT) -> str:
    """Return the version, from the one place that states it."""
    text = (root / "kitops_orchestration" / "_version.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "([^"]+)"$', text, re.MULTILINE)
    if found is None:
        sys.exit("kitops_orchestration/_version.py states no version")
    return found[1]


def sections(root: Path = ROOT) -> dict[str, tuple[str | None, str]]:
    """Return the date and the text of each part of the changelog, newest first, under the version's name."""
    text = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    heads = list(_HEAD.finditer(text))
    ends = [head.start() for head in heads[1:]] + [len(text)]
    return {head["name"]: (head["date"], text[head.end() : end].strip()) for head, end in zip(heads, ends, strict=True)}


def faults(tag: str, root: Path = ROOT) -> list[str]:
    """Return what does not agree with a tag; nothing where it may be released."""
    stated, parts = version(root), sections(root)
    found = []
    if tag != f"v{stated}":
        found.append(f"the tag is {tag!r}; it has to be v{stated}, as kitops_orchestration/_version.py says")
    date, text = parts.get(stated, (None, ""))
    if stated not in parts:
        found.append(f"CHANGELOG.md has no part '## [{stated}] - YYYY-MM-DD': close what is unreleased under it")
    elif date is None:
        found.append(f"CHANGELOG.md gives {stated} no date")
    elif not text:
        found.append(f"CHANGELOG.md says nothing of {stated}")
    if parts.get("Unreleased", (None, ""))[1]:
        found.append("CHANGELOG.md still has something under [Unreleased]: what is tagged would be in no release")
    return found


def main(arguments: list[str]) -> int:
    """Run one of the three forms of the module's docstring; return the exit code."""
    if arguments == ["--version"]:
        print(version())
        return 0
    if arguments == ["--notes"]:
        print(sections().get(version(), (None, ""))[1])
        return 0
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print(__doc__, file=sys.stderr)
        return 2
    found = faults(arguments[0])
    for fault in found:
        print(f"release: {fault}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
