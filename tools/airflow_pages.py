"""Write the parts of Airflow's reference that the code says by itself: operators, fields of connections, options.

    python tools/airflow_pages.py            # write the pages
    python tools/airflow_pages.py --check    # exit 1 when a page is not what the code says

What an operator does, takes and returns is its docstring; its example is the call in a file of ``examples/airflow``,
which the end-to-end suite runs; fields and options are those that Airflow itself is told.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("AIRFLOW__CORE__LOAD_EXAMPLES", "False")

from airflow_kitops.get_provider_info import get_provider_info

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "docs" / "reference"
EXAMPLES = ROOT / "examples" / "airflow"
BEGIN, END = "<!-- {} -->", "<!-- end of what tools/airflow_pages.py writes -->"
_ROLE = re.compile(r":\w+:`~?(?:[\w.]+\.)?(\w+)`")
_MODULES = ("airflow_kitops.operators", "airflow_kitops.sensors")
_FIRST_EXAMPLES = {"KitPromoteOperator": "run_to_production.py", "KitTagSensor": "per_version.py"}
"""Where the first file by name does not show it best."""


def markdown(text: str) -> str:
    """Return text of a docstring as Markdown."""
    return _ROLE.sub(r"`\1`", text).replace("``", "`")


def told(docstring: str) -> tuple[str, list[tuple[str, str]], str]:
    """Return what a docstring says: its text, each parameter, and what is returned."""
    text, *fields = re.split(r"^:", inspect.cleandoc(docstring), flags=re.MULTILINE)
    parameters, returned = [], ""
    for field in fields:
        name, _, said = field.partition(":")
        said = markdown(" ".join(said.split()))
        if name.startswith("param "):
            parameters.append((name.removeprefix("param ").strip(), said))
        elif name == "return":
            returned = said
    return markdown(text.strip()), parameters, returned


def parameters_of(cls: type) -> Iterator[tuple[str, str, str]]:
    """Yield name, default and meaning of what a class takes, its own first and then what it has from ours above it."""
    seen: set[str] = set()
    for each in cls.__mro__:
        if not each.__module__.startswith("airflow_kitops"):
            continue
        signature = inspect.signature(each.__init__).parameters if "__init__" in each.__dict__ else {}
        for name, said in told(each.__doc__ or "")[1]:
            if name not in seen:
                seen.add(name)
                yield name, _default(signature.get(name)), said


def _default(parameter: inspect.Parameter | None) -> str:
    if parameter is None:
        return ""  # of Airflow's own operator
    return "required" if parameter.default is inspect.Parameter.empty else f"`{parameter.default!r}`"


def example_of(name: str) -> tuple[str, str]:
    """Return the file of the example that shows an operator, and the statement in it."""
    files = sorted(EXAMPLES.glob("*.py"), key=lambda path: (path.name != _FIRST_EXAMPLES.get(name), path.name))
    for path in files:
        source = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Assign | ast.Expr | ast.Return) and _makes(node, name):
                return path.name, inspect.cleandoc(" " * node.col_offset + str(ast.get_source_segment(source, node)))
    raise LookupError(f"no example has {name}")


def _makes(node: ast.stmt, name: str) -> bool:
    calls = (item.func for item in ast.walk(node) if isinstance(item, ast.Call))
    return any(
        getattr(function, "id", None) == name
        or (
            getattr(function, "attr", None) == "partial" and getattr(getattr(function, "value", None), "id", "") == name
        )
        for function in calls
    )


def operators() -> str:
    """Return one section for each operator and sensor."""
    parts = []
    for module in _MODULES:
        loaded = importlib.import_module(module)
        parts += [section(name, getattr(loaded, name)) for name in loaded.__all__]
    return "\n".join(parts)


def section(name: str, cls: Any) -> str:
    """Return what a page says of one operator."""
    text, _, returned = told(cls.__doc__ or "")
    file, code = example_of(name)
    templated = ", ".join(f"`{field}`" for field in sorted(cls.template_fields))
    rows = [f"| `{parameter}` | {default} | {said} |" for parameter, default, said in parameters_of(cls)]
    parts = [
        f"## {name}\n",
        f"{text}\n",
        f"<!-- not run: the end-to-end suite runs the whole example -->\n```python\n{code}\n```\n",
        f"From `examples/airflow/{file}`.\n",
        "\n".join(["| parameter | default | |", "|---|---|---|", *rows]) + "\n",
        f"Templated: {templated}.\n",
    ]
    if returned:
        parts.append(f"Returns {returned}\n")
    return "\n".join(parts)


def fields(connection_type: str) -> Callable[[], str]:
    """Return what makes the table of a connection's extra fields."""

    def table() -> str:
        (found,) = (
            each for each in get_provider_info()["connection-types"] if each["connection-type"] == connection_type
        )
        rows = ["| field | in the form | | default |", "|---|---|---|---|"]
        for name, field in found["conn-fields"].items():
            default = field["schema"].get("default")
            shown = "" if default is None else f"`{str(default).lower() if isinstance(default, bool) else default}`"
            rows.append(f"| `{name}` | {field['label']} | {_cell(field['description'])} | {shown} |")
        return "\n".join(rows) + "\n"

    return table


def options() -> str:
    """Return one section for each option of ``[kitops]``."""
    parts = []
    for section, found in get_provider_info()["config"].items():
        for name, option in found["options"].items():
            variable = f"AIRFLOW__{section.upper()}__{name.upper()}"
            rows = [f"| type | {option['type']} |", f"| default | `{option['default']}` |"]
            rows[1] = rows[1] if option["default"] else "| default | empty |"
            rows += [f"| example | `{option['example']}` |"] if option["example"] else []
            rows += [f"| environment | `{variable}` |", f"| since | {option['version_added']} |"]
            parts.append(f"## {name}\n\n{option['description']}\n\n" + "\n".join(["| | |", "|---|---|", *rows]) + "\n")
    return "\n".join(parts)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


PAGES: dict[str, dict[str, Callable[[], str]]] = {
    "airflow-operators.md": {"operators": operators},
    "airflow-connections.md": {"fields of kitops": fields("kitops"), "fields of mlflow": fields("mlflow")},
    "airflow-configuration.md": {"options": options},
}


def render(page: str) -> str:
    """Return a page with its parts made anew."""
    text = (REFERENCE / page).read_text(encoding="utf-8")
    for name, make in PAGES[page].items():
        begin = BEGIN.format(f"{name}: written by tools/airflow_pages.py")
        before, found, rest = text.partition(begin)
        if not found or END not in rest:
            raise LookupError(f"{page}: no place for {name}")
        text = f"{before}{begin}\n\n{make()}\n{END}{rest.partition(END)[2]}"
    return text


def main() -> int:
    """Write the pages, or compare them."""
    wrong = 0
    for page in PAGES:
        made, path = render(page), REFERENCE / page
        if "--check" not in sys.argv:
            path.write_text(made, encoding="utf-8")
        elif made != path.read_text(encoding="utf-8"):
            print(f"docs/reference/{page} is not what the code says: tools/airflow_pages.py writes it")
            wrong = 1
    return wrong


if __name__ == "__main__":
    sys.exit(main())
