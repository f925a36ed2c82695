"""Reference pages hold every name that the code has: a list with a gap is worse than none."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from urllib.parse import unquote

import pytest

from kitops_orchestration.signing import predicate_types
from tools.table_names import on_page_content

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"


def read(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("predicate_type", sorted(predicate_types.DEFAULT_ROLES))
def test_every_predicate_type_is_in_the_reference(predicate_type: str) -> None:
    assert f"`{predicate_type}`" in read("reference/media-types.md")


def test_every_direct_dependency_has_a_licence_in_the_reference() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [entry for extra in project["optional-dependencies"].values() for entry in extra]
    names = {re.split(r"[^\w.-]", entry)[0].lower() for entry in [*project["dependencies"], *extras]}
    page = read("reference/licences.md")
    assert {name for name in names - {"kitops-orchestration"} if f"| {name} |" not in page} == set()


def test_every_direct_dependency_has_a_reason_in_the_decisions() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [entry for extra in project["optional-dependencies"].values() for entry in extra]
    names = {re.split(r"[^\w.-]", entry)[0].lower() for entry in [*project["dependencies"], *extras]}
    page = read("adr/0008-dependencies.md").lower()
    assert {name for name in names - {"kitops-orchestration"} if name not in page} == set()


@pytest.mark.parametrize("page", sorted((DOCS / "adr").glob("*.md")), ids=lambda page: page.name)
def test_a_decision_says_context_decision_and_consequences(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    number, title = re.match(r"# (\d+)\. (.+)", text).groups()
    assert page.name.startswith(f"{int(number):04}-")
    assert title
    assert [
        section for section in ("Status: ", "## Context", "## Decision", "## Consequences") if section not in text
    ] == []


def test_the_site_lists_every_page() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    pages = {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")}
    assert {page for page in pages if page not in navigation} == set()


@pytest.mark.parametrize(
    "page",
    ["passport", "smoke-test", "serve", "diff", "checkpoint", "catalog", "retention"],
)
def test_what_people_do_not_expect_has_a_page_that_they_find(page: str) -> None:
    name = f"how-to/{page}.md"
    verb = {"retention": "retain"}.get(page, page)
    assert f"kitctl {verb}" in read(name)
    assert f"- {name}" in (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert f"({name})" in read("index.md")


def test_the_four_doors_lead_to_tutorials() -> None:
    readme, index = (ROOT / "README.md").read_text(encoding="utf-8"), read("index.md")
    for door in ("airflow", "dagster", "notebook", "ci"):
        assert f"(docs/tutorials/{door}.md)" in readme
        assert f"(tutorials/{door}.md)" in index


def test_the_command_line_page_is_what_the_verbs_say() -> None:
    script = ROOT / "tools" / "cli_page.py"
    made = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True).stdout
    assert read("reference/cli.md") == made, "make docs writes it"


def test_the_table_of_attacks_is_what_the_tests_try() -> None:
    done = subprocess.run([sys.executable, ROOT / "tools" / "trust_table.py", "--check"], check=False)
    assert done.returncode == 0, "tools/trust_table.py writes it"


def test_a_page_has_the_files_that_it_shows() -> None:
    done = subprocess.run([sys.executable, ROOT / "tools" / "file_blocks.py", "--check"], check=False)
    assert done.returncode == 0, "tools/file_blocks.py writes them"


def test_no_page_needs_a_build_to_be_read() -> None:
    """What MkDocs alone would put in or fold open: other files, tabs, admonitions."""
    only_built = re.compile(r'^ *(?:--8<--|=== "|!!! |\?\?\? )', re.MULTILINE)
    pages = [page for page in DOCS.rglob("*.md") if only_built.search(page.read_text(encoding="utf-8"))]
    assert pages == []


def test_a_page_of_the_api_names_what_mkdocs_would_put_there() -> None:
    done = subprocess.run([sys.executable, ROOT / "tools" / "api_pages.py", "--check"], check=False)
    assert done.returncode == 0, "tools/api_pages.py writes them"


def test_every_environment_variable_that_is_read_is_in_the_reference() -> None:
    settings = (ROOT / "kitops_orchestration" / "settings.py").read_text(encoding="utf-8")
    page = read("reference/settings.md")
    assert [name for name in re.findall(r'\benv\("(\w+)"\)', settings) if f"`{name}`" not in page] == []


def test_every_label_of_a_materialization_is_in_the_reference() -> None:
    from dagster_kitops.metadata import ModelKitMetadataSet

    written = {f"kitops/{name}" for name in ModelKitMetadataSet.model_fields}
    for module in (ROOT / "dagster_kitops").rglob("*.py"):
        written |= set(re.findall(r'"(kitops/\w+)"', module.read_text(encoding="utf-8")))
    page = read("reference/metadata-keys.md")
    assert {label for label in written if f"`{label}`" not in page} == set()


def test_every_key_that_an_airflow_task_returns_is_in_the_reference() -> None:
    results = (ROOT / "airflow_kitops" / "results.py").read_text(encoding="utf-8")
    page = read("reference/metadata-keys.md")
    assert [key for key in re.findall(r'^ +"(\w+)": ', results, re.MULTILINE) if f"`{key}`" not in page] == []


def test_every_tag_that_is_written_to_mlflow_is_in_the_reference() -> None:
    write_back = (ROOT / "kitops_orchestration" / "mlflow_bridge" / "write_back.py").read_text(encoding="utf-8")
    page = read("reference/metadata-keys.md")
    names = re.findall(r'TAG_PREFIX \+ "(\w+)"', write_back)
    assert names
    assert [name for name in names if f"`kitops.modelkit.{name}`" not in page] == []


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    mkdocs = Path(sys.executable).with_name("mkdocs")
    done = subprocess.run(
        [mkdocs, "build", "--strict", "--quiet", "--site-dir", tmp_path],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    # What the theme adds is not looked at by the build: a button that edits a page leads nowhere without a repository.
    for page in (tmp_path / "index.html", tmp_path / "how-to" / "diff.html"):
        links = re.findall(r'<a [^>]*?href="([^"#?:]+)[#?]?[^":]*"', page.read_text(encoding="utf-8"))
        assert len(links) > 50
        assert [link for link in links if not (page.parent / unquote(link)).exists()] == []


def test_every_verb_is_a_method_of_the_same_name() -> None:
    import keyword

    from kitops_orchestration import KitClient
    from kitops_orchestration.cli.main import VERBS

    python = {verb: verb.replace("-", "_") + ("_" if keyword.iskeyword(verb) else "") for verb in VERBS}
    about_the_program = {"cache", "completion", "version"}
    assert {verb for verb, name in python.items() if not hasattr(KitClient, name)} == about_the_program


def test_every_operator_of_airflow_is_in_the_reference_with_an_example_that_has_it() -> None:
    from airflow_kitops import operators

    row = r"^\| (\[`Kit[^|]*) \|[^|]*\| ([^|]*) \|$"
    rows = re.findall(row, (DOCS / "reference" / "airflow.md").read_text(), re.M)
    shown = {name: examples for names, examples in rows for name in re.findall(r"Kit\w+Operator", names)}
    assert set(shown) == set(operators.__all__)
    for name, examples in shown.items():
        files = re.findall(r"`([a-z_]+\.py)`", examples)
        texts = [(DOCS.parent / "examples" / "airflow" / file).read_text() for file in files]
        assert any(f"{name}(" in text or f"{name}.partial" in text for text in texts), name


def test_the_pages_of_airflow_are_what_the_code_says() -> None:
    pytest.importorskip("airflow.sdk")
    script = ROOT / "tools" / "airflow_pages.py"
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]


def test_every_parameter_of_an_operator_is_told() -> None:
    """Those of ours: what has no line in a docstring is on no page."""
    pytest.importorskip("airflow.sdk")
    import inspect

    from airflow_kitops import operators, sensors

    untold = []
    for module in (operators, sensors):
        for name in module.__all__:
            page = read(f"reference/airflow-operators/{name.lower()}.md")
            for each in getattr(module, name).__mro__:
                if each.__module__.startswith("airflow_kitops") and "__init__" in each.__dict__:
                    taken = set(inspect.signature(each.__init__).parameters) - {"self", "args", "kwargs"}
                    untold += [f"{name}.{taken}" for taken in sorted(taken) if f"| `{taken}` |" not in page]
    assert untold == []


def test_every_parameter_of_an_operator_has_its_default_also_where_a_class_above_takes_it() -> None:
    rows = [
        (page.stem, row)
        for page in (DOCS / "reference" / "airflow-operators").glob("kit*.md")
        for row in re.findall(r"^\| `\w+` \|(.*?)\|.*$", page.read_text(encoding="utf-8"), re.M)
    ]
    assert len(rows) > 100
    assert [name for name, default in rows if not default.strip()] == []


def test_a_long_name_in_a_table_is_broken_between_its_words_and_a_short_one_stays_whole() -> None:
    def shown(name: str) -> str:
        return on_page_content(f"<td><code>{name}</code></td><p><code>{name}</code></p>")

    assert shown("kitops_conn_id") == "<td><code>kitops_conn_id</code></td><p><code>kitops_conn_id</code></p>"
    long = "tests/unit/test_hostile.py::test_a_bomb"
    told = "tests/<wbr>unit/<wbr>test_<wbr>hostile<wbr>.py::<wbr>test_<wbr>a_<wbr>bomb"
    assert shown(long) == f"<td><code>{told}</code></td><p><code>{long}</code></p>"
    assert shown("&lt;a.very.long.name.of.some.kind&gt;").count("<wbr>") == 6
    assert shown("kubectl create secret --name kitops-connection").count("<wbr>") == 0
