"""Prompts of a packed run, registered where they are not registered yet, and linked to the run and its model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from kitops_orchestration.mlflow_bridge.restore.undo import Undo
from kitops_orchestration.mlflow_bridge.runs.beside_model import PROMPT_FORM, packed_prompt
from kitops_orchestration.mlflow_bridge.runs.run_models import no_such_call, or_none

if TYPE_CHECKING:
    from mlflow import MlflowClient

_MOST_VERSIONS = 1000
_OPTIONS = {"responseFormat": "response_format", "modelConfig": "model_config"}
"""Given only where a prompt has them: the first releases of MLflow 3 do not know them all."""


def restore_prompts(
    client: MlflowClient,
    prompts: Sequence[Mapping[str, Any]],
    aliases: Mapping[str, Sequence[str]],
    run_id: str,
    model_id: str,
    undo: Undo,
) -> tuple[str, ...]:
    """Register and link the prompts; return warnings about aliases that point elsewhere here.

    A version of the same name and content is taken as it is: registering it once more would make another.
    """
    warnings: list[str] = []
    for prompt in prompts:
        name = str(prompt["name"])
        version = _version_like(client, prompt) or _register(client, prompt, undo)
        client.link_prompt_version_to_run(run_id, client.get_prompt_version(name, version))
        client.link_prompt_version_to_model(name, version, model_id)
        for alias in aliases.get(str(prompt.get("uri")), ()):
            held = _held_by(client, name, alias)
            if held is None:
                client.set_prompt_alias(name, alias, int(version))
                undo.add(partial(client.delete_prompt_alias, name, alias))
            elif held != version:
                warnings.append(f"alias {alias!r} of prompt {name!r} stays on version {held}")
    return tuple(warnings)


def _version_like(client: MlflowClient, prompt: Mapping[str, Any]) -> str | None:
    name = str(prompt["name"])
    for number in range(1, _MOST_VERSIONS):
        found = or_none(lambda number=number: client.get_prompt_version(name, number))  # type: ignore[misc]  # mypy sees no type in a default
        if found is None:
            return None
        if all(packed_prompt(found).get(key) == prompt.get(key) for key in PROMPT_FORM):
            return str(number)
    return None


def _register(client: MlflowClient, prompt: Mapping[str, Any], undo: Undo) -> str:
    name = str(prompt["name"])
    is_new = no_such_call(lambda: or_none(lambda: client.get_prompt(name))) is None
    made = client.register_prompt(
        name,
        prompt.get("template", ""),
        commit_message=prompt.get("commitMessage"),
        tags=dict(prompt.get("tags") or {}),
        **{word: prompt[key] for key, word in _OPTIONS.items() if prompt.get(key) is not None},
    )
    version = str(made.version)
    if is_new:
        undo.add(lambda: _delete_empty(client, name))
    undo.add(lambda: client.delete_prompt_version(name, version))
    return version


def _delete_empty(client: MlflowClient, name: str) -> None:
    """Delete a prompt, unless somebody has registered another version of it by now."""
    if not client.search_prompt_versions(name, max_results=1):
        client.delete_prompt(name)


def _held_by(client: MlflowClient, name: str, alias: str) -> str | None:
    # Without such an alias MLflow says that the parameter is wrong, not that there is none.
    found = no_such_call(lambda: or_none(lambda: client.get_prompt_version_by_alias(name, alias)))
    return None if found is None else str(found.version)
