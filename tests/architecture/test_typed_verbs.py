"""The options of every verb have types, and they are those of the core function that takes them."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import subprocess
import sys
import types
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest

from kitops_orchestration.client import KitClient, verbs_of

ROOT = Path(__file__).resolve().parents[2]
CALLS = ROOT / "tests" / "typing" / "calls.py"

CORE = {
    "init": "modelkit.generate.generate:generate",
    "import_": "modelkit.sources.any_source:import_source",
    "info": "modelkit.inspect:inspect",
    "push": "oci.copying.graph:copy",
    "pull": "oci.copying.graph:copy",
    "follow_alias": "mlflow_bridge.write_back:sync_alias",
    "import_model": "mlflow_bridge.import_model:import_modelkit",
    "deploy": "deploy.manifests:manifest_for",
    "approve": "promotion.decide:decide",
    "reject": "promotion.decide:decide",
    "revoke": "promotion.decide:decide",
    "overrule": "promotion.decide:decide",
    "plan": "promotion.plan:plan_promotion",
    "status": "promotion.records.history:history",
    "catalog": "catalog.read:read_catalog",
    "remove": "promotion.retention.remove:sign_last_tags",
    "overview": "lineage.answers.deployment:where_deployed",
}
"""The core functions of verbs that are called otherwise there; every other has its name."""
GIVEN = {
    "tag",
    "extra",
    "open_parent",
    "open_repository",
    "open_stage",
    "open_base",
    "elsewhere",
    "before_tag",
    "verb",
    "tags",
    "stage_repository",
    "witnessed",
    "named",
    "of_one_moment",
}
GIVEN |= {"source_tag", "rollback_of", "right_repository", "stage", "policy", "reason", "to", "limit", "until"}
"""What the client's methods give to the core themselves, by arguments of their own or by what is bound."""
TAKEN = {"export_run": {"before_tag"}, "promote": {"reason"}, "render_image": {"tag"}}
"""Options that have the name of something which other methods give themselves."""


def namespace_of(module: types.ModuleType) -> dict[str, Any]:
    """The names of a module, with what it imports for type checkers alone."""
    names = dict(vars(module))
    for node in ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for line in node.body:
                if isinstance(line, ast.ImportFrom) and str(line.module).startswith("kitops"):
                    exec(ast.unparse(line), names)
    return names


def options_of(method: Callable[..., Any]) -> tuple[type, types.ModuleType] | None:
    """The TypedDict of a method's options."""
    inner = inspect.unwrap(method)
    text = inner.__annotations__.get("options")
    if text is None:
        return None
    kind = eval(text, namespace_of(sys.modules[inner.__module__]))
    assert get_origin(kind) is typing.Unpack, f"{inner.__qualname__} takes {text}"
    (found,) = get_args(kind)
    return found, importlib.import_module(found.__module__)


WITH_OPTIONS = {name: method for name, method in verbs_of(KitClient).items() if options_of(method) is not None}


def core_of(name: str, home: types.ModuleType) -> Callable[..., Any]:
    module, _, function = CORE.get(name, f":{name}").partition(":")
    found = importlib.import_module(f"kitops_orchestration.{module}") if module else home
    return getattr(found, function)


def parameters(function: Callable[..., Any]) -> dict[str, Any]:
    """The parameters by name alone with their types, those of its own options included."""
    names = namespace_of(sys.modules[function.__module__])
    found = {}
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY:
            found[parameter.name] = eval(parameter.annotation, names)
        elif parameter.kind is parameter.VAR_KEYWORD:
            (inner,) = get_args(eval(parameter.annotation, names))
            found |= hints(inner)
    return found


def hints(kind: type) -> dict[str, Any]:
    found = {}
    for name, hint in kind.__annotations__.items():
        home = sys.modules[getattr(hint, "__forward_module__", None) or kind.__module__]
        found[name] = eval(hint.__forward_arg__, namespace_of(home))
    return found


@pytest.mark.parametrize("name", sorted(WITH_OPTIONS))
def test_the_options_of_a_verb_are_those_of_its_core_function(name: str) -> None:
    kind, home = options_of(WITH_OPTIONS[name]) or pytest.fail(name)
    taken = {
        key: hint for key, hint in parameters(core_of(name, home)).items() if key not in GIVEN - TAKEN.get(name, set())
    }
    assert hints(kind) == taken


def test_no_verb_takes_any_option() -> None:
    for root in ("kitops_orchestration/client", "airflow_kitops/hooks"):
        for path in (ROOT / root).glob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and node.args.kwarg:
                    allowed = node.name in ("with_limits", "call")
                    assert allowed or ast.unparse(node.args.kwarg.annotation) != "Any", f"{path}: {node.name}"


def test_a_misspelt_or_wrongly_typed_option_is_an_error_for_mypy(tmp_path: Path) -> None:
    lines = CALLS.read_text(encoding="utf-8").splitlines()
    wrong = {number for number, line in enumerate(lines, 1) if line.endswith("# wrong")}
    assert len(wrong) > 20
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--cache-dir", str(tmp_path), str(CALLS)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    found = {int(match[1]) for match in re.finditer(r"calls\.py:(\d+): error", done.stdout)}
    assert found == wrong, done.stdout + done.stderr
