"""Hold new code to a floor: how many of the lines that a branch adds are run by the tests that coverage looked at.

    python tools/new_lines.py coverage.json --against origin/main --floor 90

Old code has no floor: what nobody touches is no reason to stop a change.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_HUNK = re.compile(r"^@@ -\S+ \+(?P<first>\d+)(?:,(?P<count>\d+))? @@")


def added_lines(diff: str) -> dict[str, set[int]]:
    """Return the numbers of the lines that a diff without context adds, for each file by its new name."""
    added: dict[str, set[int]] = {}
    name = ""
    for line in diff.splitlines():
        if line.startswith("+++ "):
            name = line[4:].removeprefix("b/")
        elif hunk := _HUNK.match(line):
            first, count = int(hunk["first"]), int(hunk["count"] or 1)
            added.setdefault(name, set()).update(range(first, first + count))
    return added


def not_run(report: Mapping[str, Any], added: Mapping[str, set[int]]) -> tuple[int, dict[str, list[int]]]:
    """Return how many new lines hold code, and which of them no test ran, by file; ``report`` is coverage's JSON."""
    total, missing = 0, {}
    for name, found in report["files"].items():
        new = added.get(name, set())
        run, left = new & set(found["executed_lines"]), new & set(found["missing_lines"])
        total += len(run) + len(left)
        if left:
            missing[name] = sorted(left)
    return total, missing


def main() -> int:
    """Say which new lines no test ran; return 1 when there are more than the floor allows."""
    parser = argparse.ArgumentParser(description="Hold new code to a floor of coverage.")
    parser.add_argument("report", type=Path)
    parser.add_argument("--against", default="origin/main", help="where the branch began")
    parser.add_argument("--floor", type=float, default=90, help="percent of new lines")
    arguments = parser.parse_args()
    command = ["git", "diff", "--unified=0", "--no-color", f"{arguments.against}...HEAD", "--", "*.py"]
    diff = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    total, missing = not_run(json.loads(arguments.report.read_text(encoding="utf-8")), added_lines(diff))
    for name, lines in missing.items():
        print(f"{name}: no test ran the new lines {', '.join(map(str, lines))}")
    count = sum(map(len, missing.values()))
    percent = 100 * (total - count) / total if total else 100.0
    print(f"{total - count} of {total} new lines of code are run: {percent:.0f}%, the floor is {arguments.floor:.0f}%")
    return 0 if percent >= arguments.floor else 1


if __name__ == "__main__":
    raise SystemExit(main())
