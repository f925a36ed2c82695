"""Put files of the checkout into the pages that show them: a page has to be whole where only its text is read.

    python tools/file_blocks.py            writes them
    python tools/file_blocks.py --check    says which block is not what its file has, and exits 1

A block after the line ``<!-- file: examples/airflow/release.py -->`` is that file.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_BLOCK = re.compile(
    r"^(?P<before><!-- file: (?P<file>\S+) -->\n```[^\n]*\n)(?P<text>.*?)(?P<after>^```$)", re.MULTILINE | re.DOTALL
)


def filled(page: str, root: Path = ROOT) -> str:
    """Return the page with every such block as its file is now; raises ``OSError`` for a file that is not there."""

    def block(found: re.Match[str]) -> str:
        text = (root / found["file"]).read_text(encoding="utf-8")
        return f"{found['before']}{text}{found['after']}"

    return _BLOCK.sub(block, page)


def main(arguments: list[str]) -> int:
    """Run one of the two forms of the module's docstring; return the exit code."""
    is_check = arguments == ["--check"]
    stale = []
    for path in sorted((ROOT / "docs").rglob("*.md")):
        page = path.read_text(encoding="utf-8")
        made = filled(page)
        if made != page:
            stale.append(path.relative_to(ROOT))
            if not is_check:
                path.write_text(made, encoding="utf-8")
    if is_check and stale:
        print(f"not what the files have: {', '.join(map(str, stale))}; tools/file_blocks.py writes it", file=sys.stderr)
    return 1 if is_check and stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
