"""Restoring a run: everything that its ModelKit holds, in another MLflow, once."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kitops_orchestration.errors import RunExportError
from kitops_orchestration.lineage.statements.attach import load_evidence
from kitops_orchestration.mlflow_bridge.registering import (
    create_registered,
    delete_empty,
    experiment_named,
    model_name,
    take_back_experiment,
    upload_model,
    version_of_model,
    without_refused,
)
from kitops_orchestration.mlflow_bridge.restore.packed_run import PackedRun, read_packed_run
from kitops_orchestration.mlflow_bridge.restore.prompts import restore_prompts
from kitops_orchestration.mlflow_bridge.restore.renewal import renewed
from kitops_orchestration.mlflow_bridge.restore.run import create_run, end_run, write_content
from kitops_orchestration.mlflow_bridge.restore.undo import Undo
from kitops_orchestration.mlflow_bridge.runs.beside_model import REGISTRY_PARAMETER
from kitops_orchestration.mlflow_bridge.runs.origin_tags import (
    RESTORED_BEGAN_TAG,
    RESTORED_DIGEST_TAG,
    RESTORED_FROM_TAG,
    RESTORED_MODEL_TAG,
    RESTORED_RUN_TAG,
    restorable,
)
from kitops_orchestration.mlflow_bridge.runs.run_models import search_models, search_runs
from kitops_orchestration.mlflow_bridge.runs.session import also_by_default
from kitops_orchestration.mlflow_bridge.runs.source import parse_source, resolve
from kitops_orchestration.mlflow_bridge.store.checkout import model_root
from kitops_orchestration.mlflow_bridge.write_back import now, write_back
from kitops_orchestration.modelkit.inspect import ModelKit
from kitops_orchestration.oci.descriptor import Digest
from kitops_orchestration.oci.repository import Repository
from kitops_orchestration.signing import predicate_types

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from kitops_orchestration.signing.trust import TrustPolicy

FILTERS = ("model", "code", "docs", "prompts")
"""What of a ModelKit is needed; its data stays in the registry."""
_GIVEN_UP_AFTER = timedelta(hours=1)
_MOST = 100
_OF_MODEL = {
    "aliases": "aliases",
    "description": "description of the registered model",
    "tags": "tags of the registered model",
}


@dataclass(frozen=True, slots=True)
class Restored:
    """Where a run is now."""

    run_id: str
    model_id: str
    registered_model: str | None
    version: str | None
    aliases: tuple[str, ...]
    warnings: tuple[str, ...]


def restore(
    client: MlflowClient,
    repository: Repository,
    kit: ModelKit,
    folder: Path,
    *,
    registered_model: str | None,
    experiment: str | None,
    tags: Mapping[str, str],
    uri: str,
    trust: TrustPolicy | None,
    plain_http: bool | None,
    has_aliases: bool = False,
) -> Restored:
    """Write the run of an unpacked ModelKit into MLflow, or find it where it was written before.

    The registered model is the one named, else that of the record; the experiment is the one named, else the record's.
    When it fails, what was made is taken back.  Aliases, and the texts of the registered model, come from provenance
    and are set only where a trust policy vouches for it.

    Raises:
        RunExportError: the ModelKit holds no run.
    """
    packed = read_packed_run(folder)
    state, warnings = _trusted_state(repository, kit.digest, trust)
    record = packed.record
    name = registered_model or record.registered.get("name")
    if has_aliases and not name:
        raise RunExportError("the ModelKit names no registered model", advice="give registered_model=... as well")
    with Undo() as undo, ExitStack() as busy:
        place, is_new = experiment_named(client, experiment or record.experiment.get("name") or "Default")
        if is_new:
            undo.add(lambda: take_back_experiment(client, place))
        earlier = _earlier(client, place, str(kit.digest))
        if earlier is not None:
            run_id, model_id = earlier
        else:
            run_id = create_run(client, packed, place, _links(kit, uri, packed), undo)
            busy.enter_context(renewed(client, run_id))
            model_id = _model(client, kit, packed, model_root(folder), place, run_id, registered_model, tags, undo)
            warnings += write_content(client, packed, run_id, model_id)
            aliases = _mapping(state.get("promptAliases"))
            with also_by_default(client):  # MLflow links prompts in its default store
                warnings += restore_prompts(client, packed.prompts, aliases, run_id, model_id, undo)
            end_run(client, packed, run_id)
        version = _version(client, packed, name, run_id, model_id, state, tags, undo) if name else None
        told = write_back(
            resolve(parse_source(f"models:/{model_id}"), client), kit.reference, client, plain_http=plain_http
        )
        warnings += told.warnings
        if earlier is None:
            client.set_tag(run_id, RESTORED_MODEL_TAG, model_id)
    aliases_set: tuple[str, ...] = ()
    if name and version:
        model_state = _mapping(state.get("model"))
        is_same = registered_model in (None, model_state.get("name"))
        wanted = [str(alias) for alias in model_state.get("aliases") or ()] if is_same else []
        aliases_set, stayed = _set_free_aliases(client, name, version, wanted)
        warnings += stayed
    return Restored(run_id, model_id, name, version, aliases_set, tuple(warnings))


def _links(kit: ModelKit, uri: str, packed: PackedRun) -> dict[str, str]:
    return {
        RESTORED_FROM_TAG: uri,
        RESTORED_DIGEST_TAG: str(kit.digest),
        RESTORED_RUN_TAG: str(packed.record.run_id),
        RESTORED_BEGAN_TAG: now(),
    }


def _model(
    client: MlflowClient,
    kit: ModelKit,
    packed: PackedRun,
    model_dir: Path,
    experiment_id: str,
    run_id: str,
    registered_model: str | None,
    tags: Mapping[str, str],
    undo: Undo,
) -> str:
    model = packed.record.model
    undo.add(lambda: _delete_models(client, experiment_id, run_id))
    steps = {item.get("modelId"): item.get("step") for item in packed.record.outputs}
    return upload_model(
        client,
        model_dir,
        experiment_id,
        name=without_refused(model.name) if model.name else model_name(kit, registered_model),
        run_id=run_id,
        step=int(steps.get(model.model_id) or 0),
        tags={**restorable(model.tags), **tags},
        params=model.params,
        model_type=model.model_type,
    )


def _version(
    client: MlflowClient,
    packed: PackedRun,
    name: str,
    run_id: str,
    model_id: str,
    state: Mapping[str, Any],
    tags: Mapping[str, str],
    undo: Undo,
) -> str:
    """Return the version of the model, with the description and tags that it had."""
    about = _mapping(state.get("model"))
    facts = {"description": about.get("description"), "tags": restorable(_mapping(about.get("tags")))}
    if create_registered(client, name, **facts):
        undo.add(lambda: delete_empty(client, name))
    own = restorable(_mapping(packed.record.registered.get("tags")))
    description = packed.record.registered.get("description")
    version, is_new = version_of_model(client, name, model_id, run_id, tags={**own, **tags}, description=description)
    if is_new:  # one that was found may be in use
        undo.add(lambda: client.delete_model_version(name, version))
    return version


def _earlier(client: MlflowClient, experiment_id: str, digest: str) -> tuple[str, str] | None:
    """Return run and model of an earlier restore of this digest; what a killed one left is taken away."""
    found = search_runs(client, [experiment_id], f"tags.`{RESTORED_DIGEST_TAG}` = '{digest}'", most=_MOST)
    for run in found:
        model_id = run.data.tags.get(RESTORED_MODEL_TAG)
        if model_id is not None:
            return str(run.info.run_id), str(model_id)
    for run in found:
        if _is_given_up(run.data.tags.get(RESTORED_BEGAN_TAG)):
            _delete_models(client, experiment_id, run.info.run_id)
            client.delete_run(run.info.run_id)
    return None


def _is_given_up(began: str | None) -> bool:
    """Tell whether a restore began so long ago that nobody is at it any more."""
    try:
        return datetime.now(UTC) - datetime.fromisoformat(str(began)) > _GIVEN_UP_AFTER
    except (ValueError, TypeError):
        return False


def _delete_models(client: MlflowClient, experiment_id: str, run_id: str) -> None:
    for model in search_models(client, [experiment_id], [run_id]):
        client.delete_logged_model(model.model_id)


def _set_free_aliases(
    client: MlflowClient, name: str, version: str, wanted: list[str]
) -> tuple[tuple[str, ...], list[str]]:
    """Set the aliases that no other version has: restoring an old ModelKit must not move what is in use."""
    held = {str(alias): str(number) for alias, number in dict(client.get_registered_model(name).aliases).items()}
    given, stayed = [], []
    for alias in wanted:
        if held.get(alias, version) != version:
            stayed.append(f"alias {alias!r} stays on version {held[alias]} of {name!r}")
            continue
        if alias not in held:
            client.set_registered_model_alias(name, alias, version)
        given.append(alias)
    return tuple(given), stayed


def _trusted_state(
    repository: Repository, digest: Digest, trust: TrustPolicy | None
) -> tuple[Mapping[str, Any], list[str]]:
    """Return what provenance says of the registry, nothing of it where nobody vouches; and a warning about that."""
    state = _registry_state(repository, digest, trust)
    about = _mapping(state.get("model"))
    left_out = [text for key, text in _OF_MODEL.items() if about.get(key)]
    left_out += ["aliases of prompts"] if state.get("promptAliases") else []
    if trust is not None or not left_out:
        return state, []
    return {}, [f"not restored, as provenance counts only with a trust policy: {', '.join(left_out)}"]


def _registry_state(repository: Repository, digest: Digest, trust: TrustPolicy | None) -> Mapping[str, Any]:
    """Return what the newest provenance says of the registry; with a trust policy, the newest that it vouches for."""
    found: Mapping[str, Any] = {}
    for item in load_evidence(repository, str(digest), predicate_types=(predicate_types.PROVENANCE,), trust=trust):
        if item.statement is None or (trust is not None and not item.is_verified):
            continue
        definition = _mapping(_mapping(item.statement.predicate).get("buildDefinition"))
        parameters = _mapping(_mapping(definition.get("externalParameters")).get("parameters"))
        found = _mapping(parameters.get(REGISTRY_PARAMETER)) or found
    return found


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
