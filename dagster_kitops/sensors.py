"""A sensor on tags: each digest that appears is reported, and worked on, once."""

# No `from __future__ import annotations`: Dagster reads the signature of the sensor function.

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal, Self

import dagster as dg

from dagster_kitops._compat import clean_name
from dagster_kitops.assets.body import with_resource
from dagster_kitops.assets.place import require_place
from dagster_kitops.event_log import modelkit_history
from dagster_kitops.metadata import REFERENCE_LABEL, TAGS_LABEL, ModelKitMetadataSet
from dagster_kitops.resources import KitOpsResource
from kitops_orchestration.errors import KitOpsError, NotFoundError
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.tag_selector import TagSelector

DATA_VERSION_TAGS = ("dagster/data_version", "dagster/data_version_is_user_provided")
_REMEMBERED = 500
"""So many of an asset's events are searched for what was reported before."""


@dataclass(frozen=True, slots=True)
class TagChange:
    """A tag that points at a digest which the sensor has not seen it point at."""

    reference: Reference
    """Pinned, with the tag."""
    previous_digest: str | None
    """``None`` for a new tag."""

    @property
    def digest(self) -> str:
        """What the tag points at now."""
        return str(self.reference.digest)


def build_modelkit_tag_sensor(
    *,
    name: str | None = None,
    repositories: Mapping[str, dg.AssetKey | str],
    tags: str | None = None,
    emit: Literal["materialization", "observation"] | None = "observation",
    target: Any = None,
    run_config: Callable[[TagChange], Any] | None = None,
    dynamic_partitions_def: dg.DynamicPartitionsDefinition | None = None,
    max_changes_per_tick: int = 50,
    resource_key: str = "kitops",
    minimum_interval_seconds: int = 60,
    default_status: dg.DefaultSensorStatus = dg.DefaultSensorStatus.STOPPED,
) -> dg.SensorDefinition:
    """Return a sensor that reports every new digest behind the tags of some repositories.

    The cursor holds what each tag pointed at.  The run key names repository, tag and digest, and an event is left out
    where the asset's newest one for the tag says the same; so a cursor that is set back, or a tick that is repeated,
    reports nothing and starts no run twice.  For the same reason a tag that goes back to an earlier digest gets an
    event and no second run.  No layer and no Kitfile is fetched.  An unreachable registry skips the tick and keeps the
    cursor.  Runs have the tags ``kitops/reference`` (pinned by digest), ``kitops/tag`` and ``kitops/digest``.

    Args:
        name: Default: made from the repositories.
        repositories: Which asset each repository is.
        tags: Which tags: a name, a pattern (``v*``) or a range of versions (``>=1.2,<2``).  An asset has one version,
            so several tags need ``dynamic_partitions_def``, or ``emit=None``, which take all by default; otherwise it
            is ``latest``.  Of an asset that is observed as well, it is the tag that is observed.
        emit: The event that the asset gets, with the digest as data version; ``None`` for none.
        target: Jobs or assets to run for a change, as :func:`dagster.sensor` takes them.
        run_config: Makes the run's configuration out of the change, so that a job can be told the reference.
        dynamic_partitions_def: Each tag becomes a partition, and runs and events carry it.
        max_changes_per_tick: The rest waits for the next tick.
        resource_key: Key of the :class:`KitOpsResource`.
        minimum_interval_seconds: Between two ticks.
        default_status: ``STOPPED`` until someone starts it.

    Raises:
        dagster.DagsterInvalidDefinitionError: several tags for the one version of an asset, or no repository.
    """
    partitions = dynamic_partitions_def
    watched = _Watched.of(name, repositories, tags, emit, is_partitioned=partitions is not None)
    is_started = target is not None

    def tag_sensor(context: dg.SensorEvaluationContext, **resources: KitOpsResource) -> dg.SensorResult | dg.SkipReason:
        _require_one_version(context, watched.reported)
        seen: dict[str, str] = json.loads(context.cursor) if context.cursor else {}
        try:
            changes, cursor = _look(resources[resource_key], watched, seen, max_changes_per_tick)
        except KitOpsError as error:
            if error.transient:
                return dg.SkipReason(f"{error}; the next tick asks again")
            raise
        if not changes:
            return dg.SensorResult(cursor=_text(cursor), skip_reason="no tag points at a new digest")
        return dg.SensorResult(
            cursor=_text(cursor),
            asset_events=_events(context.instance, changes, emit, is_partitioned=partitions is not None),
            run_requests=_runs(changes, run_config, is_partitioned=partitions is not None) if is_started else [],
            dynamic_partitions_requests=_partition_requests(partitions, changes),
        )

    return dg.sensor(
        name=name or clean_name("modelkit_tags_" + "_".join(repositories)),
        minimum_interval_seconds=minimum_interval_seconds,
        default_status=default_status,
        target=target,
        description=watched.description + (" and starts a run for it." if is_started else "."),
        metadata=watched.metadata,
    )(with_resource(tag_sensor, dg.SensorEvaluationContext, resource_key))


@dataclass(frozen=True, slots=True)
class _Watched:
    """What a sensor looks at."""

    keys: Mapping[str, dg.AssetKey]
    """By repository."""
    tags: str
    selector: TagSelector
    reported: Mapping[dg.AssetKey, str]
    """The tag that is the version of each asset; empty where none is."""

    @classmethod
    def of(
        cls,
        name: str | None,
        repositories: Mapping[str, dg.AssetKey | str],
        tags: str | None,
        emit: str | None,
        *,
        is_partitioned: bool,
    ) -> Self:
        """Read what the builder was told; raises ``DagsterInvalidDefinitionError`` for what cannot be."""
        has_one_version = emit is not None and not is_partitioned
        if tags is None:
            tags = "latest" if has_one_version else "*"
        selector = TagSelector.parse(tags)
        of = f"the tag sensor {name or ''}".rstrip()
        if has_one_version and not selector.is_exact:
            raise dg.DagsterInvalidDefinitionError(
                f"{of}: {tags!r} may be many tags, and an asset without partitions has one version, which would go to "
                "and fro between them: give dynamic_partitions_def=modelkit_versions_partitions_def(...), name one "
                "tag, or say emit=None"
            )
        for repository in repositories:
            require_place(of, repository, (), None)
        keys = {repository: dg.AssetKey.from_coercible(key) for repository, key in repositories.items()}
        reported = dict.fromkeys(keys.values(), tags) if emit is not None and selector.is_exact else {}
        return cls(keys, tags, selector, reported)

    @property
    def description(self) -> str:
        """A sentence without its end."""
        what = f"the tag {self.tags}" if self.selector.is_exact else f"the tags {self.tags}"
        return f"Reports each new digest behind {what} of {', '.join(self.keys)}"

    @property
    def metadata(self) -> dict[str, Any]:
        """What the sensor's page shows."""
        return {
            TAGS_LABEL: {key.to_user_string(): tag for key, tag in self.reported.items()},
            **{f"asset of {repository}": dg.MetadataValue.asset(key) for repository, key in self.keys.items()},
        }


def reported_tags(sensor: Any) -> dict[dg.AssetKey, str]:
    """Return the tag that a sensor of ours reports as the version of each asset; empty for any other one."""
    told = (getattr(sensor, "metadata", None) or {}).get(TAGS_LABEL)
    return {dg.AssetKey.from_user_string(name): tag for name, tag in (told.value if told is not None else {}).items()}


def other_version(spec: dg.AssetSpec, tag: str) -> list[str]:
    """Return what is wrong where an asset is observed at one tag, and a sensor reports another one."""
    observed = str(spec.metadata.get(REFERENCE_LABEL) or "").partition("@")[0]
    if not observed or observed.rpartition("/")[2].partition(":")[2] in ("", tag):
        return []
    key = spec.key.to_user_string()
    said = f"{key} is observed at {observed}, and a sensor reports its tag {tag}: its version would go to and fro"
    return [f"{said}; name one tag for both"]


def _require_one_version(context: dg.SensorEvaluationContext, reported: Mapping[dg.AssetKey, str]) -> None:
    graph = context.repository_def.asset_graph if context.repository_def is not None else None
    for key, tag in reported.items():
        if graph is not None and graph.has(key) and (said := other_version(graph.get(key).to_asset_spec(), tag)):
            raise dg.DagsterInvalidDefinitionError(said[0])


def _look(
    kitops: KitOpsResource, watched: _Watched, seen: Mapping[str, str], limit: int
) -> tuple[list[tuple[dg.AssetKey, TagChange]], dict[str, str]]:
    changes: list[tuple[dg.AssetKey, TagChange]] = []
    cursor: dict[str, str] = {}
    for repository, key in watched.keys.items():
        for pinned in _resolved(kitops, kitops.place(repository), watched.selector):
            name, digest = f"{pinned.name}:{pinned.tag}", str(pinned.digest)
            before = seen.get(name)
            if before != digest and len(changes) < limit:
                changes.append((key, TagChange(pinned, before)))
                cursor[name] = digest
            elif before is not None:
                cursor[name] = before
    return changes, cursor


def _resolved(kitops: KitOpsResource, place: Reference, selector: TagSelector) -> list[Reference]:
    """Return what the chosen tags point at; a repository that nobody has pushed to yet has none.

    Several are asked for at a time: Dagster gives a tick a minute, and a repository may have hundreds of tags.
    """
    client = kitops.get_client()

    def resolve(tag: str) -> Reference | None:
        try:
            return client.resolve(place.with_tag(tag))
        except NotFoundError:
            return None  # deleted since the tags were listed

    try:
        tags = selector.select(client.tags(place))
    except NotFoundError:
        return []
    with ThreadPoolExecutor(kitops.concurrency, thread_name_prefix="kitops-tags") as pool:
        return [found for found in pool.map(resolve, tags) if found is not None]


def _events(
    instance: dg.DagsterInstance,
    changes: Sequence[tuple[dg.AssetKey, TagChange]],
    emit: str | None,
    *,
    is_partitioned: bool,
) -> list[dg.AssetMaterialization | dg.AssetObservation]:
    """Return the events of what no event says yet."""
    if emit is None:
        return []
    known = {key: _newest_by_tag(instance, key) for key in {key for key, _ in changes}}
    news = [(key, change) for key, change in changes if known[key].get(_tagged(change.reference)) != change.digest]
    return [_event(key, change, emit, is_partitioned) for key, change in news]


def _newest_by_tag(instance: dg.DagsterInstance, key: dg.AssetKey) -> dict[str, str]:
    """Return the digest that the newest event of each tag recorded."""
    events = modelkit_history(instance, key, limit=_REMEMBERED)
    return {_tagged(event.reference): event.digest for event in reversed(events)}


def _tagged(reference: Reference) -> str:
    return f"{reference.name}:{reference.tag}"


def _event(
    key: dg.AssetKey, change: TagChange, emit: str, is_partitioned: bool
) -> dg.AssetMaterialization | dg.AssetObservation:
    reference, digest = change.reference, str(change.reference.digest)
    facts = ModelKitMetadataSet(
        reference=str(reference),
        digest=digest,
        short_digest=reference.digest.short if reference.digest else None,
        tag=reference.tag,
        previous_digest=change.previous_digest,
    )
    kind = dg.AssetMaterialization if emit == "materialization" else dg.AssetObservation
    return kind(
        asset_key=key,
        metadata={**facts},
        partition=reference.tag if is_partitioned else None,
        tags=dict(zip(DATA_VERSION_TAGS, (digest, "true"), strict=True)),
    )


def _runs(
    changes: Sequence[tuple[dg.AssetKey, TagChange]],
    run_config: Callable[[TagChange], Any] | None,
    *,
    is_partitioned: bool,
) -> list[dg.RunRequest]:
    return [_run_request(change, run_config, is_partitioned) for _, change in changes]


def _partition_requests(
    partitions: dg.DynamicPartitionsDefinition | None, changes: Sequence[tuple[dg.AssetKey, TagChange]]
) -> list[Any] | None:
    """Return the request for a partition of each tag, once: two repositories may have the same."""
    if partitions is None:
        return None
    return [partitions.build_add_request([*dict.fromkeys(str(change.reference.tag) for _, change in changes)])]


def _run_request(
    change: TagChange, run_config: Callable[[TagChange], Any] | None, is_partitioned: bool
) -> dg.RunRequest:
    reference = change.reference
    return dg.RunRequest(
        run_key=str(reference),
        run_config=run_config(change) if run_config is not None else None,
        partition_key=reference.tag if is_partitioned else None,
        tags={
            "kitops/reference": str(reference),
            "kitops/tag": str(reference.tag)[:63],
            "kitops/digest": reference.digest.short if reference.digest else "",
        },
    )


def _text(cursor: Mapping[str, str]) -> str:
    return json.dumps(cursor, sort_keys=True)
