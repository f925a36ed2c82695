"""A ModelKit becomes a registered version or a logged model in MLflow: the way back of ``export_run``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from kitops_orchestration.errors import RunExportError
from kitops_orchestration.mlflow_bridge.checkout import model_root, unpacked
from kitops_orchestration.mlflow_bridge.kitfile_of_run import facts_of_kitfile
from kitops_orchestration.mlflow_bridge.modelkit_uri import is_plain, pinned_uri
from kitops_orchestration.mlflow_bridge.registry_policy import verify_trusted
from kitops_orchestration.mlflow_bridge.session import connect, quoted, translated
from kitops_orchestration.mlflow_bridge.write_back import DIGEST_TAG, TAG_PREFIX, now
from kitops_orchestration.modelkit.inspect import ModelKit, inspect
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.repository import Repository
from kitops_orchestration.progress import ProgressCallback, ignore_progress
from kitops_orchestration.settings import Limits

if TYPE_CHECKING:
    from mlflow import MlflowClient

ImportMode = Literal["reference", "copy"]
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

    @property
    def model_uri(self) -> str:
        """What ``load_model`` takes: ``models:/…``."""
        if self.registered_model is not None:
            return f"models:/{self.registered_model}/{self.version}"
        return f"models:/{self.model_id}"

    def to_json(self) -> dict[str, Any]:
        """Return the facts that metadata is made of."""
        value = {
            **_fields(self),
            "reference": str(self.reference),
            "aliases": list(self.aliases),
            "model_uri": self.model_uri,
        }
        return {key: item for key, item in value.items() if item is not None}


def import_modelkit(
    repository: Repository,
    target: str,
    *,
    registered_model: str | None = None,
    mode: ImportMode = "reference",
    experiment: str | None = None,
    run_id: str | None = None,
    aliases: Sequence[str] = (),
    trust_policy_path: Path | None = None,
    tracking_uri: str | None = None,
    registry_uri: str | None = None,
    limits: Limits = Limits(),
    progress: ProgressCallback = ignore_progress,
) -> ImportResult:
    """Make the ModelKit at ``target`` (tag or digest) known to MLflow.

    ``"reference"`` registers a version whose source is ``modelkit://…@sha256:…``: no bytes enter MLflow, whoever
    loads it needs this package.  ``"copy"`` uploads the model directory as a logged model of ``experiment`` (name;
    ``run_id`` links it to a run), which works through a server as well, and registers it when a name is given.

    Importing the same digest again adds neither a second version nor a second logged model.

    Raises:
        RunExportError: no registered model named in reference mode, or MLflow refuses.
        ModelKitError: no MLflow model inside, in copy mode.
        SignatureError: the trust policy does not accept the ModelKit; nothing was written.
    """
    if mode == "reference" and registered_model is None:
        raise RunExportError(
            "import by reference needs a registered model", advice="give registered_model=..., or mode='copy'"
        )
    if aliases and registered_model is None:
        raise RunExportError(
            f"aliases belong to a registered model: {', '.join(aliases)}", advice="give registered_model=... as well"
        )
    kit = inspect(repository, target)
    verify_trusted(repository, kit.digest, trust_policy_path)
    client = connect(tracking_uri, registry_uri)
    tags = _tags(kit, pinned_uri(kit.reference, plain_http=is_plain(repository)))
    with translated("import", str(kit.reference)):
        if mode == "reference":
            result = _by_reference(client, kit, str(registered_model), tags, run_id)
        else:
            content = unpacked(repository, kit.reference.digest or kit.digest, limits=limits, progress=progress)
            result = _by_copy(client, kit, model_root(content), registered_model, experiment, run_id, tags)
        for alias in aliases:
            client.set_registered_model_alias(result.registered_model, alias, result.version)
    return ImportResult(**{**_fields(result), "aliases": tuple(aliases)})


def _tags(kit: ModelKit, uri: str) -> dict[str, str]:
    return {
        TAG_PREFIX + "ref": str(kit.reference),
        DIGEST_TAG: str(kit.digest),
        TAG_PREFIX + "uri": uri,
        _IMPORTED_TAG: now(),
    }


def _fields(result: ImportResult) -> dict[str, Any]:
    return {name: getattr(result, name) for name in ImportResult.__slots__}


def _by_reference(
    client: MlflowClient, kit: ModelKit, name: str, tags: Mapping[str, str], run_id: str | None
) -> ImportResult:
    _create_registered(client, name)
    uri = tags[TAG_PREFIX + "uri"]
    version = _version_of(client, name, uri) or client.create_model_version(
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
    model_id = _imported(client, kit, experiment_id, run_id) or _upload(
        client, kit, model_dir, experiment_id, run_id, _model_name(kit, registered_model), tags
    )
    if registered_model is None:
        return ImportResult(kit.reference, "copy", model_id=model_id, run_id=run_id)
    _create_registered(client, registered_model)
    source = f"models:/{model_id}"
    version = _version_of(client, registered_model, source) or client.create_model_version(
        registered_model,
        source,
        run_id=run_id,
        tags=dict(tags),
        description=_description(kit),
        model_id=model_id,
    )
    return ImportResult(kit.reference, "copy", registered_model, str(version.version), model_id, run_id)


def _imported(client: MlflowClient, kit: ModelKit, experiment_id: str, run_id: str | None) -> str | None:
    """Return the logged model that an earlier import of the same digest left in the experiment, if it is whole."""
    found = client.search_logged_models([experiment_id], filter_string=f"tags.`{DIGEST_TAG}` = '{kit.digest}'")
    for model in found:
        is_ours = _IMPORTED_TAG in model.tags and str(model.status) == "READY"
        if is_ours and (model.source_run_id or None) == run_id:
            return str(model.model_id)
    return None


def _upload(
    client: MlflowClient,
    kit: ModelKit,
    model_dir: Path,
    experiment_id: str,
    run_id: str | None,
    name: str,
    tags: Mapping[str, str],
) -> str:
    """Create a logged model, upload its files, and return its id."""
    params = {key: str(value) for key, value in _facts(kit).get("params", {}).items()}
    model = client.create_logged_model(
        experiment_id,
        name=name,
        source_run_id=run_id,
        tags=dict(tags),
        params=params,
        model_type=kit.kitfile.model.framework or None if kit.kitfile.model else None,
    )
    try:
        client.log_model_artifacts(model.model_id, str(model_dir))
    except Exception:
        # A model whose files are not all there must not look ready.
        client.finalize_logged_model(model.model_id, "FAILED")
        raise
    client.finalize_logged_model(model.model_id, "READY")
    if run_id is not None:
        _link(client, run_id, model.model_id)
    return str(model.model_id)


def _version_of(client: MlflowClient, name: str, source: str) -> Any:
    """Return the version of a registered model that has this source, or ``None``."""
    versions = client.search_model_versions(f"name={quoted(name)}")
    return next((item for item in versions if item.source == source), None)


def _create_registered(client: MlflowClient, name: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _experiment_id(client: MlflowClient, experiment: str | None, run_id: str | None) -> str:
    if run_id is not None:
        return str(client.get_run(run_id).info.experiment_id)
    name = experiment or "Default"
    found = client.get_experiment_by_name(name)
    return str(found.experiment_id if found is not None else client.create_experiment(name))


def _model_name(kit: ModelKit, registered_model: str | None) -> str:
    kitfile = kit.kitfile
    name = (kitfile.model.name if kitfile.model else "") or kitfile.package.name or registered_model or "model"
    # MLflow refuses these in the name of a logged model.
    return "".join("-" if letter in "/:.%\"'" else letter for letter in name)


def _link(client: MlflowClient, run_id: str, model_id: str) -> None:
    from mlflow.entities import LoggedModelOutput

    client.log_outputs(run_id, [LoggedModelOutput(model_id, 0)])


def _facts(kit: ModelKit) -> Mapping[str, Any]:
    return facts_of_kitfile(kit.kitfile)


def _description(kit: ModelKit) -> str | None:
    text = kit.kitfile.package.description
    return text or f"ModelKit {kit.reference}"
