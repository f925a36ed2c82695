"""Take a picture of the documentation again: the sample catalog's board, in Debian's Chromium.

    python tools/catalog_picture.py    # writes docs/pictures/catalog.png

The folder of the sample is shown as ``/home/ada``.
"""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "pictures" / "catalog.png"
_SIZE = "1120,860"


def main() -> int:
    """Make the sample, open its board, and keep what is seen."""
    program = shutil.which("chromium")
    if program is None:
        print("chromium is not installed (apt-get install chromium)", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        os.environ["KITOPS_ORCHESTRATION_CACHE"] = str(folder / "cache")
        runpy.run_path(str(ROOT / "examples" / "catalog.py"))["main"](folder / "catalog")
        board = folder / "catalog" / "site" / "index.html"
        board.write_text(board.read_text(encoding="utf-8").replace(str(folder), "/home/ada"), encoding="utf-8")
        PICTURE.parent.mkdir(exist_ok=True)
        command = [
            program,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            "--virtual-time-budget=2000",
            f"--user-data-dir={folder / 'browser'}",
            f"--window-size={_SIZE}",
            f"--screenshot={PICTURE}",
            board.as_uri(),
        ]
        subprocess.run(command, check=True, timeout=120, stderr=subprocess.DEVNULL)
    print(PICTURE.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
