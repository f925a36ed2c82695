"""A ModelKit becomes a registered version or a logged model in MLflow: the way back of ``export_run``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from kitops_orchestration.errors import RunExportError
from kitops_orchestration.mlflow_bridge.kitfile_parameters import facts_of_kitfile
from kitops_orchestration.mlflow_bridge.modelkit_uri import is_plain, pinned_uri
from kitops_orchestration.mlflow_bridge.registering import (
    create_registered,
    experiment_named,
    model_name,
    upload_model,
    version_of_model,
    version_with,
)
from kitops_orchestration.mlflow_bridge.runs.failures import translated
from kitops_orchestration.mlflow_bridge.runs.session import connect
from kitops_orchestration.mlflow_bridge.store.checkout import model_root, unpacked
from kitops_orchestration.mlflow_bridge.store.registry_policy import verify_trusted
from kitops_orchestration.mlflow_bridge.write_back import DIGEST_TAG, TAG_PREFIX, now
from kitops_orchestration.modelkit.inspect import ModelKit, inspect
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.repository import OpenRepository, Repository
from kitops_orchestration.progress import ProgressCallback, ignore_progress
from kitops_orchestration.settings import Limits

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from kitops_orchestration.signing.trust import TrustPolicy

ImportMode = Literal["reference", "copy", "restore"]
_IMPORTED_TAG = TAG_PREFIX + "imported_at"


@dataclass(frozen=True, slots=True)
class ImportResult:
    """Where the ModelKit is in MLflow now."""

    reference: Reference
    """Pinned by digest."""
    mode: ImportMode
    registered_model: str | None = None
    version: str | None = None
    model_id: str | None = None
    """Logged model, with ``mode="copy"``."""
    run_id: str | None = None
    aliases: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    """What could not be restored, and aliases that stayed where they are."""

    @property
    def model_uri(self) -> str:
        """What ``load_model`` takes: ``models:/…``."""
        if self.registered_model is not None:
            return f"models:/{self.registered_model}/{self.version}"
        return f"models:/{self.model_id}"

    def to_json(self) -> dict[str, Any]:
        """Return where the model is in MLflow; ``None`` for what it has not."""
        return {
            "reference": str(self.reference),
            "digest": str(self.reference.digest),
            "modelUri": self.model_uri,
            "registeredModel": self.registered_model,
            "version": self.version,
            "modelId": self.model_id,
            "runId": self.run_id,
            "aliases": list(self.aliases),
            "warnings": list(self.warnings),
        }


class ImportModelOptions(TypedDict, total=False):
    """What :func:`import_modelkit` takes by name and a client or an adapter hands through."""

    registered_model: str | None
    mode: ImportMode
    experiment: str | None
    run_id: str | None
    aliases: Sequence[str]
    trust: TrustPolicy | None
    tracking_uri: str | None
    registry_uri: str | None
    limits: Limits
    progress: ProgressCallback


def import_modelkit(
    repository: Repository,
    target: str,
    *,
    registered_model: str | None = None,
    mode: ImportMode = "reference",
    experiment: str | None = None,
    run_id: str | None = None,
    aliases: Sequence[str] = (),
    trust: TrustPolicy | None = None,
    tracking_uri: str | None = None,
    registry_uri: str | None = None,
    open_parent: OpenRepository | None = None,
    limits: Limits = Limits(),
    progress: ProgressCallback = ignore_progress,
) -> ImportResult:
    """Make the ModelKit at ``target`` (tag or digest) known to MLflow.

    ``"reference"`` registers a version whose source is ``modelkit://…@sha256:…``: no bytes enter MLflow, whoever
    loads it needs this package.  ``"copy"`` uploads the model directory as a logged model of ``experiment`` (name;
    ``run_id`` links it to a run), which works through a server as well, and registers it when a name is given.

    ``"restore"`` is the way back of an export: the run with parameters, points of metrics, tags, dataset inputs, tables
    and prompts, its model, the version (of ``registered_model``, else of the model that the record names) and the
    aliases that no other version has, all of it or nothing.  Exported again, it is the same ModelKit.  Aliases, and
    description and tags of the registered model, are set only where ``trust`` vouches for the provenance that has them.

    Importing the same digest again adds neither a second run, nor a second version or logged model.

    Raises:
        RunExportError: no registered model named in reference mode, or MLflow refuses.
        ModelKitError: no MLflow model inside, in copy mode.
        SignatureError: the trust policy does not accept the ModelKit; nothing was written.
    """
    if mode == "reference" and registered_model is None:
        raise RunExportError(
            "import by reference needs a registered model", advice="give registered_model=..., or mode='copy'"
        )
    if aliases and registered_model is None and mode != "restore":
        raise RunExportError(
            f"aliases belong to a registered model: {', '.join(aliases)}", advice="give registered_model=... as well"
        )
    kit = inspect(repository, target)
    verify_trusted(repository, kit.digest, trust, open_parent=open_parent)
    client = connect(tracking_uri, registry_uri, is_made=True)
    tags = _tags(kit, pinned_uri(kit.reference, plain_http=is_plain(repository)))
    with translated("import", str(kit.reference)):
        if mode == "restore":
            result = _by_restore(
                client,
                repository,
                kit,
                tags,
                registered_model,
                experiment,
                trust,
                open_parent,
                limits,
                progress,
                has_aliases=bool(aliases),
            )
        elif mode == "reference":
            result = _by_reference(client, kit, str(registered_model), tags, run_id)
        else:
            content = unpacked(
                repository,
                kit.reference.digest or kit.digest,
                open_parent=open_parent,
                limits=limits,
                progress=progress,
            )
            result = _by_copy(client, kit, model_root(content), registered_model, experiment, run_id, tags)
        for alias in aliases:
            client.set_registered_model_alias(result.registered_model, alias, result.version)
    return replace(result, aliases=tuple(dict.fromkeys((*result.aliases, *aliases))))


def _tags(kit: ModelKit, uri: str) -> dict[str, str]:
    return {
        TAG_PREFIX + "ref": str(kit.reference),
        DIGEST_TAG: str(kit.digest),
        TAG_PREFIX + "uri": uri,
        _IMPORTED_TAG: now(),
    }


def _by_restore(
    client: MlflowClient,
    repository: Repository,
    kit: ModelKit,
    tags: Mapping[str, str],
    registered_model: str | None,
    experiment: str | None,
    trust: TrustPolicy | None,
    open_parent: OpenRepository | None,
    limits: Limits,
    progress: ProgressCallback,
    *,
    has_aliases: bool,
) -> ImportResult:
    from kitops_orchestration.disk.hidden_folder import scratch_folder
    from kitops_orchestration.mlflow_bridge.restore.restore import FILTERS, restore
    from kitops_orchestration.mlflow_bridge.store.registry_policy import allowed_opener
    from kitops_orchestration.modelkit.unpack import unpack

    # Not from the cache, which is read-only: the files go into MLflow with the modes that they were packed with.
    with scratch_folder(None, "kitops-restore") as scratch:
        folder = scratch.path / "content"
        unpack(
            repository,
            kit.reference.digest or kit.digest,
            folder,
            filters=FILTERS,
            open_parent=allowed_opener(repository, open_parent),
            limits=limits,
            progress=progress,
        )
        done = restore(
            client,
            repository,
            kit,
            folder,
            registered_model=registered_model,
            experiment=experiment,
            tags=tags,
            uri=tags[TAG_PREFIX + "uri"],
            trust=trust,
            plain_http=is_plain(repository),
            has_aliases=has_aliases,
        )
    return ImportResult(
        kit.reference,
        "restore",
        done.registered_model,
        done.version,
        done.model_id,
        done.run_id,
        done.aliases,
        done.warnings,
    )


def _by_reference(
    client: MlflowClient, kit: ModelKit, name: str, tags: Mapping[str, str], run_id: str | None
) -> ImportResult:
    create_registered(client, name)
    uri = tags[TAG_PREFIX + "uri"]
    version = version_with(client, name, uri) or client.create_model_version(
        name, uri, run_id=run_id, tags=dict(tags), description=_description(kit)
    )
    return ImportResult(kit.reference, "reference", name, str(version.version), run_id=run_id)


def _by_copy(
    client: MlflowClient,
    kit: ModelKit,
    model_dir: Path,
    registered_model: str | None,
    experiment: str | None,
    run_id: str | None,
    tags: Mapping[str, str],
) -> ImportResult:
    experiment_id = _experiment_id(client, experiment, run_id)
    model_id = _imported(client, kit, experiment_id, run_id)
    is_new = model_id is None
    if model_id is None:
        model_id = upload_model(
            client,
            model_dir,
            experiment_id,
            name=model_name(kit, registered_model),
            run_id=run_id,
            tags=tags,
            params={key: str(value) for key, value in _facts(kit).get("params", {}).items()},
            model_type=kit.kitfile.model.framework or None if kit.kitfile.model else None,
        )
    if registered_model is None:
        return ImportResult(kit.reference, "copy", model_id=model_id, run_id=run_id)
    try:
        version, _ = version_of_model(
            client, registered_model, model_id, run_id, tags=tags, description=_description(kit)
        )
    except Exception:  # of MLflow or of its store; it goes on below
        if is_new:
            # Nobody would find a model that no version names.
            with suppress(Exception):
                client.delete_logged_model(model_id)
        raise
    return ImportResult(kit.reference, "copy", registered_model, version, model_id, run_id)


def _imported(client: MlflowClient, kit: ModelKit, experiment_id: str, run_id: str | None) -> str | None:
    """Return the logged model that an earlier import of the same digest left in the experiment, if it is whole."""
    found = client.search_logged_models([experiment_id], filter_string=f"tags.`{DIGEST_TAG}` = '{kit.digest}'")
    for model in found:
        is_ours = _IMPORTED_TAG in model.tags and str(model.status) == "READY"
        if is_ours and (model.source_run_id or None) == run_id:
            return str(model.model_id)
    return None


def _experiment_id(client: MlflowClient, experiment: str | None, run_id: str | None) -> str:
    if run_id is not None:
        return str(client.get_run(run_id).info.experiment_id)
    return experiment_named(client, experiment or "Default")[0]


def _facts(kit: ModelKit) -> Mapping[str, Any]:
    return facts_of_kitfile(kit.kitfile)


def _description(kit: ModelKit) -> str | None:
    text = kit.kitfile.package.description
    return text or f"ModelKit {kit.reference}"
