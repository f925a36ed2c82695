"""People: whose keys made the statements that are on record."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kitops_orchestration.catalog.views.shared import EventRow


def people_values(events: Sequence[EventRow]) -> dict[str, Any]:
    """Return one row for each signer; statements by keys that nobody knows are one row of their own."""
    found: dict[str, list[EventRow]] = {}
    for row in events:
        if row.evidence is not None:
            found.setdefault(row.by, []).append(row)
    rows = [
        {
            "name": name,
            "total": len(items),
            "counting": sum(row.mark is not None and row.mark.look == "good" for row in items),
            "last": max((row.time or "" for row in items), default="") or None,
            "kinds": ", ".join(sorted({row.kind for row in items})),
        }
        for name, items in sorted(found.items())
    ]
    return {"rows": rows}
