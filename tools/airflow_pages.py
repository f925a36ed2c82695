"""Write the parts of Airflow's reference that the code says by itself: operators, fields of connections, options.

    python tools/airflow_pages.py            # write the pages
    python tools/airflow_pages.py --check    # exit 1 when a page is not what the code says

Each operator has a page.  What it does, takes and returns is its docstring; its example is the call in a file of
``examples/airflow``, which the end-to-end suite runs; fields and options are those that Airflow itself is told.
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
FOLDER = "airflow-operators"
MADE = (
    "<!-- This page is written by tools/airflow_pages.py: the docstring, and the call in an example that is run. -->\n"
)
NAVIGATION, END_NAVIGATION = "# operators: written by tools/airflow_pages.py", "# end of what it writes"
_MODULES = ("airflow_kitops.operators", "airflow_kitops.sensors")
_ONLY_PARSE = ("test_parse_cost.py",)
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
        for name, said in told(each.__doc__ or "")[1]:
            if name not in seen:
                seen.add(name)
                yield name, _default(cls, name), said


def _default(cls: type, name: str) -> str:
    """Return what a parameter is when nobody says it: a class may describe what one above it takes."""
    for each in cls.__mro__:
        found = inspect.signature(each.__init__).parameters.get(name) if "__init__" in each.__dict__ else None
        if found is not None:
            return "required" if found.default is inspect.Parameter.empty else f"`{found.default!r}`"
    raise LookupError(f"{cls.__name__} describes {name}, which nothing in it takes")


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


def classes() -> dict[str, Any]:
    """Return every operator and sensor by its name, in the order of their packages."""
    loaded = [importlib.import_module(module) for module in _MODULES]
    return {name: getattr(module, name) for module in loaded for name in module.__all__}


def address(name: str) -> str:
    """Return the page of an operator, seen from the reference."""
    return f"{FOLDER}/{name.lower()}.md"


def operators() -> str:
    """Return the table that leads to the page of each operator and sensor."""
    rows = ["| class | what it does | example |", "|---|---|---|"]
    for name, cls in classes().items():
        first = told(cls.__doc__ or "")[0].split("\n\n")[0]
        what = re.split(r"(?<=[.:])\s", " ".join(first.split()), maxsplit=1)[0].rstrip(":")
        rows.append(f"| [`{name}`]({name.lower()}.md) | {_cell(what)} | `{example_of(name)[0]}` |")
    return "\n".join(rows) + "\n"


def page_of(name: str, cls: Any) -> str:
    """Return the page of one operator."""
    text, _, returned = told(cls.__doc__ or "")
    file, code = example_of(name)
    templated = ", ".join(f"`{field}`" for field in sorted(cls.template_fields))
    rows = [f"| `{parameter}` | {default} | {said} |" for parameter, default, said in parameters_of(cls)]
    parts = [
        MADE,
        f"# {name}\n",
        f"`from {cls.__module__.rpartition('.')[0]} import {name}`\n",
        f"{text}\n",
        "## Example\n",
        f"<!-- not run: the end-to-end suite runs the whole example -->\n```python\n{code}\n```\n",
        f"From `examples/airflow/{file}`, which `{system_test_of(file)}` runs.\n",
        "## Parameters\n",
        "\n".join(["| parameter | default | what it is |", "|---|---|---|", *rows]) + "\n",
        f"Templated: {templated}.\n",
        (
            "What every task of Airflow takes it takes as well; "
            "[what is about all operators alike](../airflow.md#operators).\n"
        ),
    ]
    if returned:
        parts += ["## Returns\n", f"{returned[:1].upper()}{returned[1:]}\n"]
    return "\n".join(parts)


def system_test_of(file: str) -> str:
    """Return the first end-to-end test that runs an example.

    Raises:
        LookupError: none does.
    """
    run = re.compile(rf"[\"']{re.escape(file.removesuffix('.py'))}(?:\.py)?[\"']")
    tests = (ROOT / "tests" / "e2e" / "airflow").rglob("test_*.py")
    for path in sorted(tests, key=lambda path: (path.name != "test_examples.py", len(path.parts), path.name)):
        if path.name not in _ONLY_PARSE and run.search(path.read_text(encoding="utf-8")):
            return str(path.relative_to(ROOT))
    raise LookupError(f"no end-to-end test runs {file}")


def navigation() -> str:
    """Return the lines of the site's navigation."""
    return "".join(f"          - reference/{address(name)}\n" for name in classes())


def fields(connection_type: str) -> Callable[[], str]:
    """Return what makes the table of a connection's extra fields."""

    def table() -> str:
        (found,) = (
            each for each in get_provider_info()["connection-types"] if each["connection-type"] == connection_type
        )
        rows = ["| field | in the form | what it is | default |", "|---|---|---|---|"]
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
    f"{FOLDER}/index.md": {"operators": operators},
    "airflow-connections.md": {"fields of kitops": fields("kitops"), "fields of mlflow": fields("mlflow")},
    "airflow-configuration.md": {"options": options},
}


def render(page: str) -> str:
    """Return a page with its parts made anew."""
    text = (REFERENCE / page).read_text(encoding="utf-8")
    for name, make in PAGES[page].items():
        begin = BEGIN.format(f"{name}: written by tools/airflow_pages.py")
        text = _between(text, begin, f"\n\n{make()}\n", END, page)
    return text


def _between(text: str, begin: str, made: str, end: str, page: str) -> str:
    before, found, rest = text.partition(begin)
    if not found or end not in rest:
        raise LookupError(f"{page}: no place for {begin}")
    return f"{before}{begin}{made}{end}{rest.partition(end)[2]}"


def files() -> dict[Path, str]:
    """Return every file that is written here, as it has to be."""
    site = ROOT / "mkdocs.yml"
    made = {REFERENCE / page: render(page) for page in PAGES}
    made |= {REFERENCE / address(name): page_of(name, cls) for name, cls in classes().items()}
    made[site] = _between(
        site.read_text(encoding="utf-8"), NAVIGATION, f"\n{navigation()}", f"          {END_NAVIGATION}", "mkdocs.yml"
    )
    return made


def main() -> int:
    """Write the pages, or compare them."""
    wanted = files()
    left = [path for path in (REFERENCE / FOLDER).glob("*.md") if path not in wanted]
    if "--check" not in sys.argv:
        for path, text in wanted.items():
            path.write_text(text, encoding="utf-8")
        for path in left:
            path.unlink()
        return 0
    behind = [path for path, text in wanted.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in sorted({*behind, *left}):
        print(f"{path.relative_to(ROOT)} is not what the code says: tools/airflow_pages.py writes it")
    return 1 if behind or left else 0


if __name__ == "__main__":
    sys.exit(main())
