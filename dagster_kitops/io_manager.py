"""ModelKitIOManager: outputs become ModelKits, inputs are unpacked where they are needed. No shared disk."""

# No `from __future__ import annotations`: Dagster reads the field annotations of resources.

import atexit
from collections.abc import Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin

import dagster as dg
from pydantic import Field, PrivateAttr

from dagster_kitops._errors import translated
from dagster_kitops.assets.content import ModelKitContent
from dagster_kitops.assets.partitions import PARTITION_ANNOTATION, PLACEHOLDER, filled_tag, repository_name
from dagster_kitops.assets.place import require_own_place
from dagster_kitops.assets.publish import difference, is_unchanged, signature_metadata
from dagster_kitops.event_log import RecordedModelKit, latest_modelkit
from dagster_kitops.flavors import load_model, save_model
from dagster_kitops.lineage import asset_inputs, asset_provenance, step_run_context
from dagster_kitops.metadata import (
    FILTERS_LABEL,
    FLAVOR_LABEL,
    REFERENCE_LABEL,
    REPOSITORY_LABEL,
    data_version,
    modelkit_metadata,
    ordered,
    own_metadata,
)
from dagster_kitops.resources import KitOpsResource
from kitops_orchestration.disk.hidden_folder import HiddenFolder
from kitops_orchestration.oci.reference import Reference

if TYPE_CHECKING:
    from kitops_orchestration.lineage.publish import MakeStatement, Published
    from kitops_orchestration.modelkit.pack import PackResult
    from kitops_orchestration.signing.statement import Statement


class ModelKitIOManager(dg.ConfigurableIOManager):
    """Stores an output as a ModelKit; the manifest's digest is the data version.

    Loading takes the digest from the event log, never what a tag points at by now, and gives what the parameter's
    annotation asks for: ``Path`` (unpacked, gone after the step), ``Reference`` or ``RecordedModelKit`` (nothing is
    fetched), ``dict[str, ...]`` for several partitions, or the framework's own object where the kit was saved with an
    MLflow flavour.  ``AssetIn(metadata={"kitops/include": ["model"]})`` fetches those layers only;
    ``{"allow_missing_partitions": True}`` leaves out partitions that nobody has made yet.  Where there is no partition
    to load, as before the first one of an asset that takes its own one before, a ``Path | None`` is ``None``.

    As a project's default it keeps what ops hand on as Dagster does, in the instance's storage; an asset that is no
    ModelKit needs another ``io_manager_key``.  ``defs.load_asset_value(..., python_type=Path)`` gives a folder that
    stays until the process ends.
    """

    kitops: KitOpsResource
    repository_prefix: str = Field(default="", description="Put before the repository made from the asset key.")
    tag: str = Field(default="latest", description="Tag of outputs without partition.")
    flavor: str | None = Field(
        default=None, description="MLflow flavour that saves framework objects; unset: such objects are refused."
    )

    sign: bool = Field(default=False, description="Sign with the KitOpsResource's signer, before the tag moves.")
    verify: Literal["off", "warn", "require"] = Field(
        default="off", description="Judge signatures before unpacking, by the trust of the KitOpsResource."
    )

    _folders: list[HiddenFolder] = PrivateAttr(default_factory=list)

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:  # noqa: ARG002 # Dagster's signature
        """Remove what was unpacked for the step."""
        while self._folders:
            self._folders.pop().discard()

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Pack and push ``obj``; record digest, metadata and data version.

        Raises:
            dagster.Failure: nothing that a ModelKit is made of, or the registry refused it.
        """
        if not context.has_asset_key:
            _run_storage(context.step_context.instance).handle_output(context, obj)
            return
        if obj is None:
            context.log.warning("nothing to store: the asset returned None")
            return
        previous = self._previous(context)
        with translated(), self.kitops.scratch() as scratch:
            content = self._content(context, obj, scratch)
            said = own_metadata(content.metadata)
            facts: dict[str, Any] = {}

            def before_tag(packed: "PackResult") -> "Statement | None":
                facts.update({**said, **difference(self.kitops, previous, packed), **modelkit_metadata(packed)})
                return self._provenance(context, packed, previous)

            published = self._publish(context, content, scratch, before_tag)
        context.add_output_metadata(ordered({**facts, **signature_metadata(published.signature)}))
        step = _step(context)
        if step is not None:
            step.set_data_version(context.asset_key, data_version(published.pack.digest))

    def load_input(self, context: dg.InputContext) -> Any:
        """Return the upstream ModelKit in the form that the parameter's annotation asks for."""
        if not context.has_asset_key:
            return self._from_run(context)
        wanted = _without_none(context.dagster_type.typing_type)
        if not context.has_asset_partitions:
            return self._load(context, wanted, None)
        keys = context.asset_partition_keys
        is_single = len(keys) < 2 and not (get_origin(wanted) in (dict, Mapping) or wanted is dict)
        if (context.definition_metadata or {}).get("allow_missing_partitions"):
            keys = [key for key in keys if latest_modelkit(context.instance, context.asset_key, partition=key)]
        if is_single:  # none at all: the first partition of an asset that takes its own one before
            return self._load(context, wanted, keys[0]) if keys else None
        arguments = get_args(wanted)
        one = arguments[1] if len(arguments) == 2 else Path  # the value type of dict[str, value]
        return {key: self._load(context, one, key) for key in keys}

    def _content(self, context: dg.OutputContext, obj: Any, scratch: Path) -> ModelKitContent:
        flavor = (context.definition_metadata or {}).get(FLAVOR_LABEL) or self.flavor
        try:
            return ModelKitContent.of(obj)
        except TypeError as error:
            if flavor is None:
                raise dg.Failure(
                    description=f"{error}; to store framework objects, give the IO manager an MLflow flavor",
                    allow_retries=False,
                ) from error
        name = context.asset_key.path[-1]
        return save_model(obj, str(flavor), scratch / "saved", name=name)

    def _from_run(self, context: dg.InputContext) -> Any:
        """Return what an op of the run handed on, which is no asset and no ModelKit."""
        try:
            return _run_storage(context.instance).load_input(context)
        except FileNotFoundError as error:
            raise dg.Failure(
                description="what another op returned is not on this machine: it is kept in the instance's storage, as "
                "Dagster itself keeps it",
                metadata={"advice": "run both ops on one machine, make the output an asset, or give it an IO manager"},
                allow_retries=False,
            ) from error

    def _publish(
        self, context: dg.OutputContext, content: ModelKitContent, scratch: Path, before_tag: "MakeStatement"
    ) -> "Published":
        named = (context.definition_metadata or {}).get(REPOSITORY_LABEL)
        repository = named or repository_name(context.asset_key, prefix=self.repository_prefix)
        annotations = dict(content.annotations)
        partition, tag = _partition(context), self.tag
        if partition is not None:
            tag, annotations[PARTITION_ANNOTATION] = PLACEHOLDER, str(partition)
        place = self.kitops.place(str(repository)).with_tag(filled_tag(content.tag or tag, partition))
        return self.kitops.get_client().publish(
            content.context_dir or scratch,
            place,
            extra_tags=tuple(filled_tag(extra, partition) for extra in content.extra_tags),
            kitfile=content.kitfile,
            grafts=content.grafts or None,
            annotations=annotations or None,
            statement=before_tag,
            signer=self.kitops.required_signer(place) if self.sign else self.kitops.get_signer(),
            sign=self.sign,
        )

    def _previous(self, context: dg.OutputContext) -> RecordedModelKit | None:
        step = _step(context)
        return latest_modelkit(step.instance, context.asset_key, partition=_partition(context)) if step else None

    def _provenance(
        self, context: dg.OutputContext, packed: "PackResult", previous: RecordedModelKit | None
    ) -> "Statement | None":
        step = _step(context)
        if step is None or not self.kitops.attach_provenance or is_unchanged(previous, packed):
            return None
        run = step_run_context(step, context.asset_key.to_user_string())
        inputs = asset_inputs(context.asset_spec, step)
        return asset_provenance(step.instance, context.asset_spec, packed, run, _partition(context), inputs)

    def _load(self, context: dg.InputContext, wanted: Any, partition: str | None) -> Any:
        recorded = self._recorded(context, partition)
        self._judge(context, recorded.reference)
        if wanted is RecordedModelKit:
            return recorded
        if wanted is Reference:
            return recorded.reference
        filters = (context.definition_metadata or {}).get(FILTERS_LABEL) or ()
        folder = self._unpacked(recorded.reference, filters, is_step=_has_step(context))
        if wanted in (Path, Any, None):
            return folder
        with translated():
            return load_model(folder, wanted)

    def _judge(self, context: dg.InputContext, reference: Reference) -> None:
        if self.verify == "off":
            return
        with translated():
            verdict = self.kitops.check_signatures(reference)
            if self.verify == "require":
                verdict.require()
        if not verdict.is_verified:
            context.log.warning("%s does not verify: %s", reference, verdict.reason)

    def _recorded(self, context: dg.InputContext, partition: str | None) -> RecordedModelKit:
        upstream = context.upstream_output
        run_id = upstream.run_id if upstream is not None else None
        recorded = latest_modelkit(context.instance, context.asset_key, partition=partition, run_id=run_id)
        definition: Mapping[str, Any] = (upstream.definition_metadata if upstream is not None else None) or {}
        if recorded is not None:
            with translated():
                repository = definition.get(REPOSITORY_LABEL)
                require_own_place(context.asset_key, recorded.reference, self.kitops, repository, recorded.partition)
            return recorded
        if REFERENCE_LABEL not in definition:
            raise dg.Failure(
                description=f"asset {context.asset_key.to_user_string()} has no recorded ModelKit"
                f"{f' in partition {partition}' if partition else ''}: materialize or observe it first",
                allow_retries=False,
            )
        with translated():
            pinned = self.kitops.get_client().resolve(self.kitops.reference(str(definition[REFERENCE_LABEL])))
        context.log.info("no event names this asset's ModelKit: %s is what its tag points at now", pinned)
        return RecordedModelKit(pinned, run_id="", timestamp=0.0)

    def _unpacked(self, reference: Reference, filters: Any, *, is_step: bool) -> Path:
        folder = self.kitops.scratch_folder()
        (self._folders if is_step else _KEPT).append(folder)
        target = folder.path / "kit"
        with translated():
            self.kitops.get_client().unpack(reference, target, filters=filters)
        return target


_KEPT: list[HiddenFolder] = []
"""What was loaded outside of a run: nobody says when it is not needed any more, so it goes with the process."""


@atexit.register
def _let_go() -> None:
    while _KEPT:
        _KEPT.pop().discard()


def _run_storage(instance: dg.DagsterInstance) -> dg.IOManager:
    """Return where Dagster itself keeps what ops hand on: it is no asset, so it is no ModelKit either."""
    return dg.FilesystemIOManager().create_io_manager(dg.build_init_resource_context(instance=instance))


def _has_step(context: dg.InputContext) -> bool:
    """Tell whether a step loads; ``load_asset_value`` does so outside of any run."""
    try:
        return context.step_context is not None
    except dg.DagsterInvariantViolationError:
        return False


def _step(context: dg.OutputContext) -> Any:
    """Return the step's own context; a context that was built for a direct call has none."""
    try:
        return context.step_context
    except dg.DagsterInvariantViolationError:
        return None


def _partition(context: dg.OutputContext) -> str | None:
    if not context.has_asset_partitions:
        return None
    keys = context.asset_partition_keys
    if len(keys) != 1:
        raise dg.Failure(
            description="one ModelKit holds one partition: give the asset BackfillPolicy.multi_run(1)",
            allow_retries=False,
        )
    return keys[0]


def _without_none(annotation: Any) -> Any:
    """Return ``X`` for ``X | None``."""
    if get_origin(annotation) not in (Union, UnionType):
        return annotation
    kinds = [kind for kind in get_args(annotation) if kind is not NoneType]
    return kinds[0] if len(kinds) == 1 else annotation
