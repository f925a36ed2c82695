"""What a task tells the assets it declared as outlets: which ModelKit it made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from airflow_kitops._compat import Asset, AssetAlias
from airflow_kitops.asset_uris import asset_uri


def tell_outlets(
    context: Mapping[str, Any], outlets: Iterable[Any], facts: Mapping[str, Any], *, partition_by_tag: bool = False
) -> None:
    """Put ``facts`` into the event of every outlet.

    An alias gets the asset of the ModelKit's repository.  With ``partition_by_tag`` the event carries the tag
    as its partition key (Airflow 3.3), so that a consumer runs once per version.
    """
    events = context.get("outlet_events")
    if events is None:
        return
    extra = {name: value for name, value in facts.items() if value is not None}
    for outlet in outlets:
        if isinstance(outlet, AssetAlias):
            events[outlet].add(Asset(asset_uri(facts["reference"])), extra=extra)
        elif isinstance(outlet, Asset):
            events[outlet].extra.update(extra)
            if partition_by_tag and facts.get("tag"):
                events[outlet].add_partitions(str(facts["tag"]))
