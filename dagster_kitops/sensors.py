"""A sensor on tags: each digest that appears is reported, and worked on, once."""

# No `from __future__ import annotations`: Dagster reads the signature of the sensor function.

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

import dagster as dg

from dagster_kitops._compat import clean_name
from dagster_kitops.body import with_resource
from dagster_kitops.event_log import modelkit_history
from dagster_kitops.metadata import ModelKitMetadataSet
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
    tags: str = "*",
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
        tags: Which tags: a name, a pattern (``v*``) or a range of versions (``>=1.2,<2``).
        emit: The event that the asset gets, with the digest as data version; ``None`` for none.
        target: Jobs or assets to run for a change, as :func:`dagster.sensor` takes them.
        run_config: Makes the run's configuration out of the change, so that a job can be told the reference.
        dynamic_partitions_def: Each tag becomes a partition, and runs and events carry it.
        max_changes_per_tick: The rest waits for the next tick.
        resource_key: Key of the :class:`KitOpsResource`.
        minimum_interval_seconds: Between two ticks.
        default_status: ``STOPPED`` until someone starts it.
    """
    selector = TagSelector.parse(tags)
    keys = {repository: dg.AssetKey.from_coercible(key) for repository, key in repositories.items()}

    def tag_sensor(context: dg.SensorEvaluationContext, **resources: KitOpsResource) -> dg.SensorResult | dg.SkipReason:
        kitops = resources[resource_key]
        seen: dict[str, str] = json.loads(context.cursor) if context.cursor else {}
        try:
            changes, cursor = _look(kitops, keys, selector, seen, max_changes_per_tick)
        except KitOpsError as error:
            if error.transient:
                return dg.SkipReason(f"{error}; the next tick asks again")
            raise
        if not changes:
            return dg.SensorResult(cursor=_text(cursor), skip_reason="no tag points at a new digest")
        partitions = dynamic_partitions_def
        tags_found = [*dict.fromkeys(str(change.reference.tag) for _, change in changes)]  # Dagster refuses doubles
        return dg.SensorResult(
            cursor=_text(cursor),
            asset_events=_events(context.instance, changes, emit, is_partitioned=partitions is not None),
            run_requests=[_run_request(change, run_config, partitions is not None) for _, change in changes]
            if target is not None
            else [],
            dynamic_partitions_requests=[partitions.build_add_request(tags_found)] if partitions is not None else None,
        )

    return dg.sensor(
        name=name or clean_name("modelkit_tags_" + "_".join(keys)),
        minimum_interval_seconds=minimum_interval_seconds,
        default_status=default_status,
        target=target,
    )(with_resource(tag_sensor, dg.SensorEvaluationContext, resource_key))


def _look(
    kitops: KitOpsResource, keys: Mapping[str, dg.AssetKey], selector: TagSelector, seen: Mapping[str, str], limit: int
) -> tuple[list[tuple[dg.AssetKey, TagChange]], dict[str, str]]:
    changes: list[tuple[dg.AssetKey, TagChange]] = []
    cursor: dict[str, str] = {}
    for repository, key in keys.items():
        for pinned in _resolved(kitops, kitops.place(repository), selector):
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
