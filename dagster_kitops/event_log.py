"""What Dagster's event log knows of a ModelKit asset: the small value that travels between steps."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

from dagster_kitops.metadata import DIGEST_LABEL, REFERENCE_LABEL
from kitops_orchestration.errors import InvalidReferenceError
from kitops_orchestration.oci.reference import Reference


@dataclass(frozen=True, slots=True)
class RecordedModelKit:
    """One event of an asset that names a ModelKit by digest."""

    reference: Reference
    """Pinned: carries the digest."""
    run_id: str
    timestamp: float
    """Seconds since 1970."""
    metadata: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Plain values, by label."""
    storage_id: int | None = field(default=None, repr=False)
    """Of the event in Dagster's log, where it is a materialization."""
    partition: str | None = None
    """As Dagster has it: a multi-partition key knows its dimensions."""

    @property
    def digest(self) -> str:
        """The digest that the event recorded."""
        return str(self.reference.digest)


_PAGE = 100
_LOOKED_BACK = 20
"""Among so many newest events one of the run itself is looked for."""


def latest_modelkit(
    instance: dg.DagsterInstance,
    key: dg.AssetKey | str | list[str],
    *,
    partition: str | None = None,
    run_id: str | None = None,
) -> RecordedModelKit | None:
    """Return the newest event of ``key``, materialization or observation, that names a ModelKit.

    ``partition`` asks for that partition's event; ``None`` takes the newest of all.  ``run_id`` prefers what that run
    recorded, or a run that it is the re-execution of, so that a step works on what its own run made and not on what
    another one has made since.
    """
    events = modelkit_history(instance, key, partition=partition, limit=1 if run_id is None else _LOOKED_BACK)
    own = (event for run in _with_parents(instance, run_id) for event in events if event.run_id == run)
    return next(own, events[0] if events else None)


def _with_parents(instance: dg.DagsterInstance, run_id: str | None) -> Iterator[str]:
    """Yield a run, and those that it goes on with: a re-execution from a failure repeats no step that was good."""
    while run_id is not None:
        yield run_id
        run = instance.get_run_by_id(run_id)
        run_id = run.parent_run_id if run is not None else None


def modelkit_history(
    instance: dg.DagsterInstance,
    key: dg.AssetKey | str | list[str],
    *,
    partition: str | None = None,
    limit: int = 100,
) -> list[RecordedModelKit]:
    """Return the newest events of ``key`` that name a ModelKit, newest first."""
    asset_key = dg.AssetKey.from_coercible(key)
    records_filter = dg.AssetRecordsFilter(asset_key=asset_key, asset_partitions=[partition] if partition else None)
    found = [*itertools.islice(_modelkits(instance.fetch_materializations, records_filter), limit)]
    # Observations older than all of these are not asked for: others may have made thousands.
    oldest = found[-1].timestamp if found and len(found) == limit else 0.0
    found += itertools.islice(_modelkits(instance.fetch_observations, records_filter, since=oldest), limit)
    return sorted(found, key=lambda event: event.timestamp, reverse=True)[:limit]


def _modelkits(
    fetch: Callable[..., dg.EventRecordsResult], records: dg.AssetRecordsFilter, *, since: float = 0.0
) -> Iterator[RecordedModelKit]:
    """Yield what names a ModelKit, newest first, past the events of others on the same asset, back to ``since``."""
    cursor = None
    while True:
        page = fetch(records, limit=_PAGE, cursor=cursor)
        yield from (found for record in page.records if (found := recorded_modelkit(record)) is not None)
        if not page.has_more or (page.records and page.records[-1].timestamp < since):
            return
        cursor = page.cursor


def require_modelkit(
    instance: dg.DagsterInstance,
    key: dg.AssetKey | str | list[str],
    *,
    partition: str | None = None,
    run_id: str | None = None,
) -> RecordedModelKit:
    """Return the newest ModelKit of an asset, by the rules of :func:`latest_modelkit`.

    Raises:
        dagster.Failure: the event log holds none; retrying does not help.
    """
    found = latest_modelkit(instance, key, partition=partition, run_id=run_id)
    if found is None:
        asset_key = dg.AssetKey.from_coercible(key).to_user_string()
        where = f" in partition {partition}" if partition else ""
        raise dg.Failure(
            description=f"asset {asset_key} has no recorded ModelKit{where}: materialize or observe it first",
            allow_retries=False,
        )
    return found


def require_own_partition(key: dg.AssetKey, recorded: RecordedModelKit, partition: str | None) -> None:
    """Refuse the newest of all partitions for a step without one: which that is, is an accident.

    Raises:
        dagster.Failure: the asset has partitions, and the step has none.
    """
    if partition is None and recorded.partition is not None:
        raise dg.Failure(
            description=f"asset {key.to_user_string()} has partitions, and this step has none: it would take whichever "
            f"was made last, {recorded.partition}",
            metadata={"advice": "give the asset's own partitions_def to what takes its ModelKits"},
            allow_retries=False,
        )


def latest_metadata(
    instance: dg.DagsterInstance, key: dg.AssetKey | str | list[str], *, partition: str | None = None
) -> dict[str, Any]:
    """Return the plain metadata values of an asset's newest materialization; empty when there is none.

    This is how a small value (an MLflow run id, a path in object storage) reaches the next step without an IO
    manager and without a shared disk.
    """
    records_filter = dg.AssetRecordsFilter(
        asset_key=dg.AssetKey.from_coercible(key), asset_partitions=[partition] if partition else None
    )
    for record in instance.fetch_materializations(records_filter, limit=1).records:
        if record.asset_materialization is not None:
            return plain(record.asset_materialization.metadata)
    return {}


def plain(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return metadata with Dagster's value wrappers taken off; a table becomes a list of its rows."""
    return {label: _plain(value) for label, value in metadata.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, dg.TableMetadataValue):
        return [dict(record.data) for record in value.records]
    return value.value if isinstance(value, dg.MetadataValue) else value


def recorded_modelkit(record: dg.EventLogRecord) -> RecordedModelKit | None:
    """Return the ModelKit that a materialization or observation names, if it names one.

    Whoever may report events to Dagster writes what he likes into their metadata: what is no reference, and labels
    that disagree about the digest, name none.
    """
    event = record.asset_materialization or record.asset_observation
    reference = _named(event.metadata) if event is not None else None
    if event is None or reference is None:
        return None
    storage_id = record.storage_id if record.asset_materialization is not None else None
    return RecordedModelKit(
        reference, record.run_id, record.timestamp, plain(event.metadata), storage_id, record.partition_key
    )


def _named(metadata: Mapping[str, dg.MetadataValue]) -> Reference | None:
    reference, digest = (_text(metadata.get(label)) for label in (REFERENCE_LABEL, DIGEST_LABEL))
    if not reference or not digest:
        return None
    try:
        found = Reference.parse(reference)
        pinned = found.with_digest(digest)
    except InvalidReferenceError:
        return None
    return pinned if found.digest in (None, pinned.digest) else None


def _text(value: Any) -> str | None:
    return value.value if isinstance(value, dg.TextMetadataValue) else None
