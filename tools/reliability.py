"""Write docs/reference/reliability.md: what became of every verb when one of its requests met a fault.

    python tools/reliability.py --minutes 40 [--seed 1]

A real docker-registry, a proxy on the way to it, and cells in a random order until the time is over.  Exits with 1
when anything was lost.
"""

from __future__ import annotations

import argparse
import collections
import os
import random
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reference" / "reliability.md"
HEAD = """# Reliability

What becomes of a verb when one of its requests meets a fault. A proxy stands before Debian's docker-registry; it
lets one request fail, by its number, and all others pass. Afterwards everything in the repository is read, past the
proxy, and compared with what the same verb leaves where nothing fails: each tag and what it points at, each blob of
that, and each statement with its words, its form and whether its signature counts.

Above the line of `kill` the fault meets one request. Below, it meets the whole process of the verb, which is one of
its own: `kill` and `kill-after` end it with -9 when the registry gets a request or has done it, on a `full-disk` no
file grows over some bytes, `read-only` takes the right to write away from its folders, `few-files` leaves 64
descriptors, `clock-back` is a clock of two days ago. There nothing unfinished may be left, either, after the next run:
leftovers are made a month old first, as young ones are spared.

- **done**: the verb came through the fault, and everything is there.
- **told**: it was killed, or ended with an error of [the error tree](errors.md); the second call did the rest, and all
  is there.
- **lost**: neither, or something unfinished was left.

`remove` is one in a folder, without requests: docker-registry takes manifests away and no tags.

This page is written by `tools/reliability.py`, which `make soak` runs; CI runs a sample of the same cells.
"""


def main() -> int:
    """Run cells, write the page."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--minutes", type=float, default=40)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    arguments = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["KITOPS_ORCHESTRATION_CACHE"] = str(folder / "cache")
        os.environ["KITOPS_ORCHESTRATION_STATE"] = str(folder / "state")
        from tests.integration.registry.conftest import registry_process
        from tests.integration.reliability.faulty_way import FaultyWay
        from tests.integration.reliability.table import Table

        with registry_process(folder / "registry") as host, FaultyWay(host) as way:
            table = Table(way, host, folder)
            cells = table.cells()
            random.Random(arguments.seed).shuffle(cells)  # noqa: S311 - an order, not a secret
            cells = each_pair_first(cells)
            end, found = time.monotonic() + 60 * arguments.minutes, []
            for cell in cells:
                if time.monotonic() > end:
                    break
                found.append(table.run(*cell))
    bad = [cell for cell in found if cell.outcome not in ("done", "told, then done")]
    PAGE.write_text(page(found, len(cells), arguments.seed))
    for cell in bad:
        print(cell)
    print(f"{len(found)} of {len(cells)} cells, seed {arguments.seed}, {len(bad)} lost: {PAGE.relative_to(ROOT)}")
    return 1 if bad else 0


def each_pair_first(cells: list[tuple[str, str, int]]) -> list[tuple[str, str, int]]:
    """Return the cells with one of each verb and fault before the second of any: a short run has seen all of them."""
    count: collections.Counter[tuple[str, str]] = collections.Counter()
    rounds = []
    for cell in cells:
        rounds.append((count[cell[:2]], cell))
        count[cell[:2]] += 1
    return [cell for _, cell in sorted(rounds, key=lambda item: item[0])]


def page(found: list, total: int, seed: int) -> str:
    """Return the page."""
    verbs = list(dict.fromkeys(cell.verb for cell in sorted(found, key=lambda cell: cell.verb)))
    from tests.integration.reliability.faulty_way import FAULTS
    from tests.integration.reliability.hardships import HARDSHIPS

    met = {cell.fault for cell in found}
    faults = [fault for fault in (*sorted(FAULTS), *HARDSHIPS) if fault in met]
    counts = collections.Counter((cell.verb, cell.fault, cell.outcome) for cell in found)

    def shown(verb: str, fault: str) -> str:
        done, told = counts[verb, fault, "done"], counts[verb, fault, "told, then done"]
        all_of = sum(number for (v, f, _), number in counts.items() if (v, f) == (verb, fault))
        lost = all_of - done - told
        parts = [f"{done} done" if done else "", f"{told} told" if told else "", f"**{lost} lost**" if lost else ""]
        return ", ".join(filter(None, parts)) or "-"

    lines = [HEAD, f"{len(found)} of {total} cells of this run (seed {seed}):", ""]
    lines += ["| fault | " + " | ".join(verbs) + " |", "|---" * (len(verbs) + 1) + "|"]
    lines += [f"| {fault} | " + " | ".join(shown(verb, fault) for verb in verbs) + " |" for fault in faults]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
