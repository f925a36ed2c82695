"""Run the cells of a notebook from top to bottom, and print as JSON what each of them shows.

    python tests/docs/run_notebook.py examples/notebook/first_look.ipynb

A cell shows the value of its last line where that is an expression: as HTML where the value has ``_repr_html_``, and as
text.  A cell that fails ends the run with its traceback.
"""

from __future__ import annotations

import ast
import contextlib
import json
import linecache
import sys
from pathlib import Path
from typing import Any


def run_cell(source: str, name: str, names: dict[str, Any]) -> Any:
    """Run one cell; return what it shows."""
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, name, "exec"), names)  # the notebook is ours
    return eval(compile(ast.Expression(last.value), name, "eval"), names) if last else None


def main(path: Path) -> None:
    """Run the notebook; what its cells print goes to standard error, so that JSON alone is on standard output."""
    cells = [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    names: dict[str, Any] = {"__name__": "__main__"}
    shown = []
    with contextlib.redirect_stdout(sys.stderr):
        for number, cell in enumerate(cells, 1):
            value = run_cell("".join(cell["source"]), f"{path.name}:{number}", names)
            html = value._repr_html_() if hasattr(value, "_repr_html_") else None
            shown.append({"html": html, "text": None if value is None else repr(value)})
    json.dump(shown, sys.stdout)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
