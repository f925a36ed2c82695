"""Write the table of attacks into docs/explanation/trust.md: one row for each test that tries a way around.

    python tools/trust_table.py            # write the page
    python tools/trust_table.py --check    # exit 1 when the page is not what the tests say

The promise is the test's name, the attack its docstring, and the result what the test demands: so a row without a
test cannot be written.  Tests without a docstring are no attacks and have no row.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "explanation" / "trust.md"
FOLDER = ROOT / "tests"
FILES = (
    "unit/kitops_orchestration/promotion/test_verdict.py",
    "unit/kitops_orchestration/promotion/test_refusals.py",
    "unit/kitops_orchestration/promotion/stage_tag/test_guard.py",
    "unit/kitops_orchestration/promotion/test_missing_evidence.py",
    "unit/kitops_orchestration/promotion/checkpoint/test_attacks.py",
    "unit/kitops_orchestration/promotion/checkpoint/test_removal.py",
    "unit/kitops_orchestration/promotion/test_content.py",
    "unit/kitops_orchestration/signing/test_identity_names.py",
    "unit/airflow_kitops/operators/test_ways_around.py",
    "unit/dagster_kitops/promotion/test_ways_around.py",
    "integration/signing/test_trusted_time.py",
    "integration/signing/test_keyless.py",
)
BEGIN, END = "<!-- attacks: written by tools/trust_table.py -->", "<!-- end of attacks -->"
_ERRORS = {
    "SigningServiceUnavailableError": "nothing is written, and it may be tried again",
    "CheckFailedError": "refused, nothing moves",
    "ApprovalMissingError": "refused, nothing moves",
    "TagOwnedError": "refused, nothing moves",
    "PromotionError": "refused, nothing is written",
    "SignatureError": "refused",
    "VerificationError": "refused",
    "NotFoundError": "refused, nothing is written",
    "AirflowFailException": "the task fails and is not retried",
    "failure": "the step fails, nothing moves",
}


def rows() -> Iterator[tuple[str, str, str]]:
    """Yield promise, attack and result of every test that has a docstring."""
    for name in FILES:
        tree = ast.parse((FOLDER / name).read_text(encoding="utf-8"))
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_") and ast.get_docstring(node):
                promise = node.name.removeprefix("test_").replace("_", " ")
                yield promise, " ".join((ast.get_docstring(node) or "").split()), _result(node)


def _result(node: ast.FunctionDef) -> str:
    names = {item.id for item in ast.walk(node) if isinstance(item, ast.Name)}
    names |= {item.attr for item in ast.walk(node) if isinstance(item, ast.Attribute)}
    for error, words in _ERRORS.items():
        if error in names:
            return words
    if names & {"strict", "stage_verdict"}:
        return "the gate says no"
    if names & {"proof", "proven_time"}:
        return "it proves nothing, and the reason is told"
    if "is_verified" in names:
        return "it does not count, and the reason is told"
    return "the check is red" if names & {"check", "check_from", "plan"} else "held"


def table() -> str:
    """Return the table in Markdown."""
    lines = ["| promise | attack | result |", "|---|---|---|"]
    lines += ["| " + " | ".join(part.replace("|", "\\|") for part in row) + " |" for row in rows()]
    return "\n".join(lines)


def page() -> str:
    """Return the page with the table as the tests have it."""
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{table()}\n\n{END}{after}"


def main() -> int:
    """Write the page, or compare it."""
    made = page()
    if "--check" in sys.argv[1:]:
        return int(made != PAGE.read_text(encoding="utf-8"))
    PAGE.write_text(made, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
