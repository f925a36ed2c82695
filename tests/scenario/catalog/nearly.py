"""Two versions whose every fact differs by less than a page shows of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from kitops_orchestration.client import KitClient
from kitops_orchestration.oci.reference import folder_registry
from kitops_orchestration.testing import make_context_dir

DIFFERENT: dict[str, tuple[Any, Any]] = {
    "rounded": (0.91231, 0.91234),
    "thousands": (12345.4, 12345.6),
    "large": (2**53, 2**53 + 1),
    "negative": (-(2**60), -(2**60) - 1),
    "past_a_float": (10**400, 10**400 + 1),
    "typed": ("1", 1),
    "word": ("true", True),
    "nested": ([1, 2**53], [1, 2**53 + 1]),
    "text_of_a_list": ("[1]", [1]),
    "cut": ("a" * 30_000 + "b", "a" * 30_000 + "c"),
    "hidden": ("fast\u200b", "fast\u202e"),
    "constructor": (None, "of no object"),
    "__proto__": ("one", "two"),
}
SAME: dict[str, tuple[Any, Any]] = {"whole": (1, 1.0), "large_same": (2**60, 2**60), "again": (0.91231, 0.91231)}


def fill(folder: Path) -> tuple[KitClient, list[str]]:
    """Make a registry with both versions; return a client of it and their digests."""
    client = KitClient(folder_registry(folder / "registry"))
    found = []
    for side in range(2):
        facts = {name: pair[side] for name, pair in {**DIFFERENT, **SAME}.items() if pair[side] is not None}
        context = make_context_dir(folder / f"work-{side}", seed=side)
        kitfile = yaml.safe_load((context / "Kitfile").read_text())
        kitfile["model"]["parameters"] = {"mlflow": {"metrics": facts, "params": facts}}
        (context / "Kitfile").write_text(yaml.safe_dump(kitfile))
        found.append(str(client.pack(context, f"wine:{side}").digest))
    return client, found
