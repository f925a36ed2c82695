"""Complete the bill of materials of a release: which version it is about, and which bytes.

python tools/bill.py WRITTEN DIST   reads what cyclonedx-py wrote, and writes DIST/kitops-orchestration-VERSION.cdx.json

The version is dynamic in pyproject.toml, so the program cannot know it; nor does it see the files that are published.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from tools import release

NAME = "kitops-orchestration"


def completed(bill: dict[str, Any], version: str, published: list[Path]) -> dict[str, Any]:
    """Return the bill with the version, the package's address, and each published file with its SHA-256."""
    subject = bill["metadata"]["component"]
    subject["version"] = version
    subject["purl"] = f"pkg:pypi/{NAME}@{version}"
    subject["externalReferences"] = [
        {
            "type": "distribution",
            "url": path.name,
            "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(path.read_bytes()).hexdigest()}],
        }
        for path in sorted(published)
    ]
    return bill


def main(written: str, dist: str) -> int:
    """Write the whole bill beside what it is about; fail where that is not there."""
    version, folder = release.version(), Path(dist)
    published = [*folder.glob(f"*-{version}-*.whl"), *folder.glob(f"*-{version}.tar.gz")]
    if len(published) != 2:
        print(
            f"{dist}: a wheel and a source distribution of {version} have to be there; run make dist", file=sys.stderr
        )
        return 1
    bill = completed(json.loads(Path(written).read_text(encoding="utf-8")), version, published)
    target = folder / f"{NAME}-{version}.cdx.json"
    target.write_text(json.dumps(bill, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
