"""Write docs/reference/reliability.md: what became of every verb when one of its requests met a fault.

    python tools/reliability.py --minutes 40 [--seed 1] [--add] [--only kill full-disk]

A real docker-registry, a proxy on the way to it, and cells in a random order until the time is over.  With ``--add``
what the page says is kept and added to: another part of one night, by the same code.  Exits with 1 when anything was
lost.
"""

from __future__ import annotations

import argparse
import collections
import os
import random
import re
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
- **later**: a retention that was told falsely that something is not there kept it, and ended without an error; the next
  one took it away.
- **lost**: none of these, or something unfinished was left.

`remove` is one in a folder, without requests: docker-registry takes manifests away and no tags.

This page is written by `tools/reliability.py`, which `make soak` runs; CI runs a sample of the same cells.
"""
TABLE = "## Verbs and faults\n"
"""What stands on the page between the head and this is of other tests, and stays as it is."""


def main() -> int:
    """Run cells, write the page."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--minutes", type=float, default=40)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--add", action="store_true", help="add to what the page says")
    parser.add_argument("--only", nargs="+", metavar="FAULT", help="these faults alone")
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
            chosen = each_pair_first([cell for cell in cells if cell[1] in (arguments.only or (cell[1],))])
            end, found = time.monotonic() + 60 * arguments.minutes, []
            for cell in chosen:
                if time.monotonic() > end:
                    break
                found.append(table.run(*cell))
    bad = [cell for cell in found if cell.outcome not in SHOWN]
    counts = collections.Counter((cell.verb, cell.fault, SHOWN.get(cell.outcome, "lost")) for cell in found)
    text = PAGE.read_text()
    before, seeds = read(text) if arguments.add else (collections.Counter(), [])
    PAGE.write_text(page(counts + before, len(cells), [*seeds, str(arguments.seed)], kept=kept(text)))
    for lost in bad:
        print(lost)
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


SHOWN = {"done": "done", "told, then done": "told", "later": "later"}
Counts = collections.Counter[tuple[str, str, str]]
"""How often a verb that met a fault ended as it did: verb, fault, and ``done``, ``told``, ``later`` or ``lost``."""


def read(text: str) -> tuple[Counts, list[str]]:
    """Return what a page counts, and the seeds of its runs."""
    told = re.search(r"\(seeds? ([0-9, ]+)\):", text)
    table = text[text.index("| fault |") :].splitlines()
    head, _, *rows = [line.strip("|").split("|") for line in table if line.startswith("|")]
    found: Counts = collections.Counter()
    for fault, *row in rows:
        for verb, cell in zip(head[1:], row, strict=True):
            for number, outcome in re.findall(r"(\d+) (done|told|later|lost)", cell):
                found[verb.strip(), fault.strip(), outcome] += int(number)
    return found, told[1].split(", ") if told else []


def kept(text: str) -> str:
    """Return the sections of a page that are not written here."""
    return text[text.index("\n## ") + 1 : text.index(TABLE)]


def page(counts: Counts, total: int, seeds: list[str], *, kept: str) -> str:
    """Return the page; ``kept`` are its sections that are not written here."""
    verbs = sorted({verb for verb, _, _ in counts})
    from tests.integration.reliability.faulty_way import FAULTS
    from tests.integration.reliability.hardships import HARDSHIPS

    met = {fault for _, fault, _ in counts}
    faults = [fault for fault in (*sorted(FAULTS), *HARDSHIPS) if fault in met]

    def shown(verb: str, fault: str) -> str:
        found = [(outcome, counts[verb, fault, outcome]) for outcome in ("done", "told", "later")]
        parts = [f"{count} {outcome}" for outcome, count in found if count]
        lost = counts[verb, fault, "lost"]
        parts.append(f"**{lost} lost**" if lost else "")
        return ", ".join(filter(None, parts)) or "-"

    of_runs = f"this run (seed {seeds[0]})" if len(seeds) == 1 else f"these runs (seeds {', '.join(seeds)})"
    lines = [f"{HEAD}\n{kept}{TABLE}", f"{sum(counts.values())} of {total} cells of {of_runs}:", ""]
    lines += ["| fault | " + " | ".join(verbs) + " |", "|---" * (len(verbs) + 1) + "|"]
    lines += [f"| {fault} | " + " | ".join(shown(verb, fault) for verb in verbs) + " |" for fault in faults]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
