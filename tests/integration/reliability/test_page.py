"""The page that the table is written to can be read again and added to, and nothing that was lost goes missing."""

from __future__ import annotations

import runpy
from pathlib import Path

TOOL = runpy.run_path(str(Path(__file__).parents[3] / "tools" / "reliability.py"), run_name="reliability")


def test_what_a_page_says_is_added_to():
    one = TOOL["Counts"]({("pack", "kill", "told"): 2, ("pack", "drop", "done"): 1, ("tag", "full-disk", "lost"): 1})
    measured = "## Many files\n\n27 seconds.\n\n"
    written = TOOL["page"](one, 100, ["7"], kept=measured)

    assert TOOL["read"](written) == (one, ["7"])
    assert "4 of 100 cells of this run (seed 7):" in written
    assert "**1 lost**" in written
    assert TOOL["kept"](written) == measured
    counts, seeds = TOOL["read"](TOOL["page"](one + one, 100, ["7", "8"], kept=TOOL["kept"](written)))
    assert (counts[("pack", "kill", "told")], seeds) == (4, ["7", "8"])


def test_the_page_of_the_documentation_has_every_fault_and_nothing_that_was_lost():
    counts, seeds = TOOL["read"](TOOL["PAGE"].read_text(encoding="utf-8"))
    from tests.integration.reliability.faulty_way import FAULTS
    from tests.integration.reliability.hardships import HARDSHIPS

    assert {fault for _, fault, _ in counts} == {*FAULTS, *HARDSHIPS}
    assert {outcome for _, _, outcome in counts} <= {"done", "told", "later"}
    assert seeds
