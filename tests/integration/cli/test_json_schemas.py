"""What every verb prints with ``--json`` is held against its schema, and no schema lets anything pass."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from jsonschema import Draft202012Validator

from kitops_orchestration.cli import main
from kitops_orchestration.cli.main import VERBS, module_of
from kitops_orchestration.lineage.statements.card import SECTIONS
from tests.integration.cli.every_verb import Answers, Story, tell_all
from tools import json_schemas

SCHEMAS = Path(__file__).resolve().parents[3] / "docs" / "reference" / "schemas"
OF_MLFLOW = {"export-run", "import-model", "serve", "smoke-test"}  # in test_mlflow.py
OPEN = {"kitfile", "manifest", "predicate", "annotations", "value", "parameters", "metrics", "run", "policy", "verdict"}
"""Members that hold what others write, or whose values are of any type."""


def validator(verb: str) -> Draft202012Validator:
    schema = json.loads((SCHEMAS / json_schemas.file_name(verb)).read_text())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def with_json() -> list[str]:
    """Every verb that takes ``--json``, with its second word where it has one."""
    found = []
    for verb in VERBS:
        command = module_of(verb).command
        parts = command.commands if isinstance(command, click.Group) else {"": command}
        for word, part in parts.items():
            if any("--json" in option.opts for option in part.params):
                found.append(f"{verb} {word}".strip())
    return found


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Answers]:
    folder = tmp_path_factory.mktemp("story")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name, value in (("HOME", "home"), ("DOCKER_CONFIG", "docker"), ("XDG_CACHE_HOME", "cache")):
            patch.setenv(name, str(folder / value))
        for name in ("KITOPS_ORCHESTRATION_CACHE", "KITOPS_HOME", "REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR"):
            patch.delenv(name, raising=False)
        patch.setenv("COSIGN_PASSWORD", "not a secret")
        yield tell_all(folder)


def test_every_verb_with_json_has_a_schema() -> None:
    assert sorted(json_schemas.ANSWERS) == sorted(with_json())


def test_the_schemas_and_their_page_are_those_that_the_program_writes() -> None:
    for path, text in json_schemas.files().items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name}: run make docs"
    assert {path.name for path in SCHEMAS.glob("*.json")} == {
        path.name for path in json_schemas.files() if path.suffix == ".json"
    }


@pytest.mark.parametrize("verb", sorted(json_schemas.ANSWERS))
def test_a_schema_names_its_dialect_and_version(verb: str) -> None:
    schema = validator(verb).schema
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == f"urn:kitops-orchestration:schema:{verb.replace(' ', '-')}:v{schema['version']}"


def test_members_are_named_in_one_spelling() -> None:
    schemas = [json.loads(path.read_text()) for path in SCHEMAS.glob("*.json")]
    odd = {name for schema in schemas for name in _members(schema) if not re.fullmatch("[a-z][a-zA-Z]*", name)}
    assert odd <= {name for name in SECTIONS if "-" in name}  # which people write in a card, as policies name them


@pytest.mark.parametrize("verb", sorted(set(json_schemas.ANSWERS) - OF_MLFLOW))
def test_what_a_verb_prints_is_what_its_schema_says(answers: Answers, verb: str) -> None:
    for value in answers[verb]:
        validator(verb).validate(value)


@pytest.mark.parametrize("verb", sorted(set(json_schemas.ANSWERS) - OF_MLFLOW))
def test_a_schema_refuses_what_is_not_its_verbs_answer(answers: Answers, verb: str) -> None:
    check = validator(verb)
    for value in answers[verb]:
        assert [where for where, broken in mutations(value) if check.is_valid(broken)] == []
        for other in ([], None, "text", {}):
            assert not check.is_valid(other)


def test_the_schemas_of_mlflows_verbs_refuse_an_answer_of_another_verb(answers: Answers) -> None:
    for verb in OF_MLFLOW:
        assert not any(validator(verb).is_valid(value) for other in answers.values() for value in other)


def test_an_error_is_what_its_schema_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main._run(["inspect", f"file://{tmp_path}/none:v1", "--json"]) == 1
    value = json.loads(capsys.readouterr().out)
    validator("error").validate(value)
    assert not validator("error").is_valid({**value, "more": 1})


@pytest.mark.parametrize(
    "words", [["inspect"], ["inspect", "a", "b"], ["inspekt"], ["pack", ".", "--compression", "none"]]
)
def test_wrong_usage_is_told_in_json_as_well(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main._run([*words, "--json"]) == 2
    out, err = capsys.readouterr()
    validator("error").validate(json.loads(out))
    assert json.loads(out)["message"] in err.replace("\n", " ")


def test_a_refusal_of_the_gate_is_an_error_with_findings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    context = Story(tmp_path).context("one")
    (context / "train.csv").unlink()
    (context / "train.csv").write_text("password: Tr41n-on-nights!\n")
    assert main._run(["pack", str(context), "-t", f"file://{tmp_path}/none:v1", "--json"]) == 1
    value = json.loads(capsys.readouterr().out)
    validator("error").validate(value)
    assert value["findings"][0]["path"] == "train.csv"
    assert not validator("error").is_valid({**value, "findings": [{"path": "train.csv"}]})


def test_the_same_question_has_the_same_answer_in_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from kitops_orchestration import KitClient

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    story = Story(tmp_path)
    first, second = (f"{story.models}/iris:{tag}" for tag in ("v1", "v2"))
    story.say("pack", story.context("one"), "-t", first)
    story.say("pack", story.context("two"), "-t", second)
    client = KitClient()
    asked = {
        "inspect": client.inspect(first),
        "lineage": client.lineage(first),
        "training-data": client.training_data(first),
        "sign-offs": client.sign_offs(first),
        "timeline": client.timeline(first),
        "catalog": client.catalog(first),
        "where-deployed": client.where_deployed(first),
        "passport": client.passport(first),
        "validate": client.validate(first),
    }
    for verb, answer in asked.items():
        told, said = story.say(verb, first), json.loads(json.dumps(answer.to_json(), default=str))
        for each in (told, said):
            each.pop("asOf", None)  # when it was asked; a second may lie between the two
        assert told == said, verb
    assert story.say("diff", first, second) == json.loads(json.dumps(client.diff(first, second).to_json(), default=str))


def _members(schema: Any) -> Iterator[str]:
    """Yield the names of all members that a schema names, through all levels."""
    if isinstance(schema, dict):
        yield from schema.get("properties", {})
    for part in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from _members(part)


def mutations(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the answer with each of its members wrong once: of another type, missing, or with one too many."""
    for path in _paths(value, ()):
        broken = copy.deepcopy(value)
        _parent(broken, path)[path[-1]] = {"no such": [1]}
        yield f"{path} of another type", broken
    if isinstance(value, dict):
        yield "one member too many", {**value, "surprise": [1]}
        for name in ("reference", "digest"):
            if name in value and name not in OPEN:
                yield f"{name} is a number", {**value, name: 1}


def _paths(value: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
    for name, item in items:
        if name in OPEN or (name in ("left", "right") and "field" in value):
            continue
        if not isinstance(item, dict):
            yield (*path, name)
        yield from _paths(item, (*path, name))


def _parent(value: Any, path: tuple[Any, ...]) -> Any:
    for name in path[:-1]:
        value = value[name]
    return value
