"""The floor for new code counts the lines that a branch adds, and no others."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tools.new_lines import added_lines, not_run

DIFF = """\
diff --git a/core/a.py b/core/a.py
--- a/core/a.py
+++ b/core/a.py
@@ -3,0 +4,3 @@ def old():
+def new():
+    return 1
+
@@ -9 +13 @@
-x = 1
+x = 2
@@ -20,2 +23,0 @@
-gone
-gone
"""


def test_lines_that_are_added_or_changed_count_and_removed_ones_do_not() -> None:
    assert added_lines(DIFF) == {"core/a.py": {4, 5, 6, 13}}


def test_old_lines_that_nobody_runs_do_not_count() -> None:
    report = {"files": {"core/a.py": {"executed_lines": [1, 4, 13], "missing_lines": [2, 5, 9]}}}
    assert not_run(report, added_lines(DIFF)) == (3, {"core/a.py": [5]})


@pytest.mark.parametrize(("executed", "code"), [([1, 2], 0), ([1], 1)])
def test_it_fails_below_the_floor_and_names_the_lines(
    tmp_path: Path, root: Path, executed: list[int], code: int
) -> None:
    def git(*words: str) -> None:
        who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
        subprocess.run(["git", *who, *words], cwd=tmp_path, check=True, capture_output=True)

    git("init", "--initial-branch=main")
    git("commit", "--allow-empty", "--message=start")
    git("checkout", "-b", "change")
    (tmp_path / "a.py").write_text("x = 1\ny = 2\n")
    git("add", "a.py")
    git("commit", "--message=change")
    left = sorted({1, 2} - set(executed))
    report = {"files": {"a.py": {"executed_lines": executed, "missing_lines": left}}}
    (tmp_path / "report.json").write_text(json.dumps(report))
    command = [sys.executable, root / "tools" / "new_lines.py", "report.json", "--against", "main", "--floor", "90"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    assert ("a.py: no test ran the new lines 2" in done.stdout) == bool(code)
