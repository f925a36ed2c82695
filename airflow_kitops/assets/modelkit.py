"""ModelKits as Airflow assets: one asset per repository, ``oci://registry/repository``, or per channel, with a tag.

A digest, version or metric belongs to an event of the asset, never to its name.  A folder registry's repository
is ``file:///folder/repository``, the scheme that Airflow has for it.  Airflow wants one name for one URI: give
the same asset the same ``name`` in every DAG file::

    wine = modelkit_asset("ghcr.io/team/wine", watch=">=1.2,<2")
    in_production = modelkit_asset("ghcr.io/team/wine:production", watch="production")

    @dag(schedule=wine)
    def deploy(): ...
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult

from airflow_kitops._compat import Asset, AssetWatcher, Model
from airflow_kitops.asset_uris import asset_uri
from kitops_orchestration.oci.reference import Reference

if TYPE_CHECKING:
    from airflow.providers.common.compat.openlineage.facet import Dataset


def sanitize_uri(uri: SplitResult) -> SplitResult:
    """Write an ``oci://`` URI in one way: the registry is a host name, which has no upper case."""
    return uri._replace(netloc=uri.netloc.lower())


def _channel_uri(where: Reference) -> str:
    return asset_uri(where) + (f":{where.tag}" if where.tag else "")


def create_asset(*, reference: str, extra: Mapping[str, Any] | None = None) -> Asset:
    """Make the asset of a reference, as hook lineage asks for it."""
    return Asset(uri=asset_uri(reference), extra=dict(extra or {}))


def convert_asset_to_openlineage(asset: Asset, lineage_context: object) -> Dataset:
    """Name an ``oci://`` asset as OpenLineage's namespace ``oci://registry`` and name ``repository``.

    The name never holds a tag or digest, so that the graph has one node for a model; the digest is its version.
    """
    from airflow.providers.common.compat.openlineage.facet import Dataset
    from openlineage.client.generated.dataset_type_dataset import DatasetTypeDatasetFacet
    from openlineage.client.generated.dataset_version_dataset import DatasetVersionDatasetFacet
    from openlineage.client.generated.storage_dataset import StorageDatasetFacet
    from openlineage.client.generated.tags_dataset import TagsDatasetFacet, TagsDatasetFacetFields

    from kitops_orchestration.lineage.projections.openlineage import DATASET_SUBTYPE, dataset_name

    namespace, name = dataset_name(Reference.parse(asset.uri.removeprefix("oci://")))
    facets: dict[str, Any] = {
        "datasetType": DatasetTypeDatasetFacet(datasetType="MODEL", subType=DATASET_SUBTYPE),
        "storage": StorageDatasetFacet(storageLayer="oci"),
    }
    if digest := asset.extra.get("digest"):
        facets["version"] = DatasetVersionDatasetFacet(datasetVersion=digest)
    if tag := asset.extra.get("tag"):
        facets["tags"] = TagsDatasetFacet(tags=[TagsDatasetFacetFields(key="tag", value=tag, source="KITOPS")])
    return Dataset(namespace=namespace, name=name, facets=facets)


def modelkit_asset(
    reference: str,
    *,
    watch: str | None = None,
    name: str | None = None,
    kitops_conn_id: str = "kitops_default",
    poll_interval_seconds: float | None = None,
    catch_up: bool = False,
) -> Model:
    """Make the asset of a repository or channel, with a watcher that turns a moved tag into an event.

    :param reference: registry and repository, which name the asset; with a tag it is the asset of that channel.
    :param watch: a tag (``prod``), a pattern (``v*``) or a range of versions (``>=1.2,<2``).
    :param name: the asset's name in Airflow; its URI when left out.
    :param kitops_conn_id: the connection that the watcher uses.
    :param poll_interval_seconds: time between two looks at the repository; ``[kitops] poll_interval_seconds``
        when left out.  Watchers of one repository with the same interval share one look.
    :param catch_up: also fire for what is there when the watcher looks for the first time.
    """
    where = Reference.parse(reference)
    uri = _channel_uri(where)
    watchers = []
    if watch is not None:
        from airflow_kitops.triggers import KitTagEventTrigger

        trigger = KitTagEventTrigger(
            repository=where.name,
            matches=watch,
            kitops_conn_id=kitops_conn_id,
            poll_interval_seconds=poll_interval_seconds,
            catch_up=catch_up,
        )
        watchers.append(AssetWatcher(name=f"{uri} {watch}", trigger=trigger))
    return Model(name=name or uri, uri=uri, watchers=watchers)


def modelkits_from(triggering_asset_events: Mapping[Any, Iterable[Any]]) -> list[dict[str, Any]]:
    """Return the mappings (``reference``, ``digest``, …) of the events that started this run, oldest first.

    An event of a watcher and an event of an operator look alike here.
    """
    events = [event for of_asset in triggering_asset_events.values() for event in of_asset]
    events.sort(key=lambda event: str(getattr(event, "timestamp", "")))
    found = [dict(event.extra.get("payload") or event.extra) for event in events if event.extra]
    return [facts for facts in found if "reference" in facts]
