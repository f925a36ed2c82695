"""A sensor that projects what the registry knows of ModelKits onto OpenLineage events. Off unless you add it."""

# No `from __future__ import annotations`: Dagster reads the signature of the sensor function.

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from dagster_kitops.assets.body import with_resource
from dagster_kitops.event_log import recorded_modelkit
from dagster_kitops.resources import KitOpsResource
from kitops_orchestration.errors import KitOpsError
from kitops_orchestration.oci.reference import Reference

if TYPE_CHECKING:
    from openlineage.client.transport import Transport


def build_modelkit_lineage_sensor(
    *,
    assets: Sequence[dg.AssetsDefinition | dg.AssetSpec | dg.AssetKey | str],
    name: str = "modelkit_lineage",
    transport: "Transport | None" = None,
    max_events_per_tick: int = 50,
    resource_key: str = "kitops",
    minimum_interval_seconds: int = 60,
    default_status: dg.DefaultSensorStatus = dg.DefaultSensorStatus.STOPPED,
) -> dg.SensorDefinition:
    """Return a sensor that sends OpenLineage events for the new ModelKits of some assets.

    The events come from the evidence in the registry: dataset ``oci://<registry>`` / ``<repository>`` with the digest
    as version, inputs from the provenance.  The same evidence gives the same run ids, so sending twice is harmless.
    It runs beside ``dagster-openlineage``, whose datasets are asset keys.  A server that does not answer skips the
    tick; no run ever fails for it.

    Args:
        assets: Whose materializations are looked at.
        name: Of the sensor.
        transport: Where to; default: OpenLineage's own configuration (``OPENLINEAGE_URL``, ``openlineage.yml``).
        max_events_per_tick: The rest waits for the next tick.
        resource_key: Key of the :class:`KitOpsResource`.
        minimum_interval_seconds: Between two ticks.
        default_status: ``STOPPED`` until someone starts it.
    """
    given = [asset.key if isinstance(asset, (dg.AssetsDefinition, dg.AssetSpec)) else asset for asset in assets]
    keys = [dg.AssetKey.from_coercible(key) for key in given]

    def lineage_sensor(context: dg.SensorEvaluationContext, **resources: KitOpsResource) -> dg.SkipReason:
        cursor: dict[str, int] = json.loads(context.cursor) if context.cursor else {}
        seen = dict(cursor)
        try:
            found = list(_new(context.instance, keys, seen, max_events_per_tick))
            sent = _send(resources[resource_key], [reference for _, _, reference in found], transport)
        except Exception as error:  # noqa: BLE001 # lineage is told to others: it must never stop work here
            return dg.SkipReason(f"{type(error).__name__}: {error}; the next tick tries again")
        seen.update({key: storage_id for key, storage_id, _ in found})
        context.update_cursor(json.dumps(seen, sort_keys=True))
        return dg.SkipReason(f"{sent} events sent for {len(found)} new ModelKits")

    return dg.sensor(
        name=name,
        minimum_interval_seconds=minimum_interval_seconds,
        default_status=default_status,
        description="Sends OpenLineage events for each new ModelKit, made of what the registry knows of it.",
        metadata={key.to_user_string(): dg.MetadataValue.asset(key) for key in keys},
    )(with_resource(lineage_sensor, dg.SensorEvaluationContext, resource_key))


def _new(
    instance: dg.DagsterInstance, keys: Sequence[dg.AssetKey], seen: Mapping[str, int], limit: int
) -> Iterator[tuple[str, int, Reference | None]]:
    """Yield asset, storage id and ModelKit of each event after the cursor: per asset, as SQLite has one file a run."""
    for key in keys:
        name = key.to_user_string()
        after = dg.AssetRecordsFilter(asset_key=key, after_storage_id=seen.get(name, -1))
        for record in instance.fetch_materializations(after, limit=limit, ascending=True).records:
            found = recorded_modelkit(record)
            yield name, record.storage_id, found.reference if found is not None else None


def _send(kitops: KitOpsResource, references: Sequence[Reference | None], transport: Any) -> int:
    from kitops_orchestration.lineage.projections.openlineage import emit, events

    client = kitops.get_client()
    sent = 0
    for reference in dict.fromkeys(item for item in references if item is not None):
        try:
            lineage = client.lineage(reference, trust=None)
        except KitOpsError as error:
            if error.transient:
                raise
            continue  # deleted since: there is nothing to tell of it
        sent += emit(events(lineage), transport=transport)
    return sent
