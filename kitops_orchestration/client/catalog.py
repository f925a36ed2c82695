"""The catalog of a registry: the core's reading, with a client whose repositories answer each question once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from kitops_orchestration import settings
from kitops_orchestration.client.bound import Named
from kitops_orchestration.oci.read_once import OpenedOnce, Remembered
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.signing.timestamps import format_timestamp, now

if TYPE_CHECKING:
    from kitops_orchestration.catalog.model import Catalog
    from kitops_orchestration.catalog.read import CatalogOptions
    from kitops_orchestration.promotion.rules.policy import PromotionPolicy


def catalog_of(
    client: Any,
    place: Named | Sequence[Named],
    *,
    policy: PromotionPolicy | None,
    into: Path | None,
    only_new: bool,
    mlflow_urls: Sequence[str] = (),
    **options: Unpack[CatalogOptions],
) -> Catalog:
    """Return the catalog of ``place``, read through ``client``, a :class:`KitClient`, and write its site."""
    from kitops_orchestration.catalog.mlflow_pages import addresses_by_host
    from kitops_orchestration.catalog.read import read_catalog
    from kitops_orchestration.promotion.checkpoint.memory import OneRun

    by_host = addresses_by_host(mlflow_urls)
    moment = now()
    once = OpenedOnce(lambda reference: Remembered(_path(reference), is_read=only_new))
    reader = client.reading_once(once)
    named = [place] if isinstance(place, str | Reference) or not isinstance(place, Sequence) else list(place)
    found_by = [(item, where.without_target()) for item in named for where in reader.repositories(item)]
    places = {where.name: where for _, where in found_by}
    one_by_one = {where.name for item, where in found_by if not _is_whole(reader, item)}
    if only_new:
        # Answers of the last run may have an older checkpoint, which nobody put back.
        options["memory"] = OneRun()
    told = reader._hand(read_catalog, {"policy": policy, "named": one_by_one, "of_one_moment": not only_new, **options})
    found = read_catalog(_said(named), list(places.values()), reader, moment, **told)
    oldest = once.save(format_timestamp(moment))
    if only_new and oldest != found.as_of:
        found = replace(found, as_of=oldest, only_new=True)
    found = replace(found, mlflow_addresses=by_host)
    if into is None:
        return found
    from kitops_orchestration.catalog.publish import publish

    return replace(found, published=publish(found, into))


def _is_whole(client: Any, item: Any) -> bool:
    """Tell whether a registry is named, and not one repository."""
    return item is None or (isinstance(item, str) and client.whole_registry(item) is not None)


def _said(named: Sequence[Named]) -> str:
    """Return what was asked for, for people."""
    texts = [str(item["reference"]) if isinstance(item, dict) else str(item) for item in named]
    return texts[0] if len(texts) == 1 else f"{texts[0]} and {len(texts) - 1} more"


def _path(reference: Reference) -> Path:
    return settings.cache_dir() / "catalog" / f"{hashlib.sha256(reference.name.encode()).hexdigest()}.json"
