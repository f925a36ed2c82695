"""Observed assets, whatever it is that is looked at: each by itself, and one that fails hides no other."""

# No `from __future__ import annotations`: Dagster reads the signature of the observation function.

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import dagster as dg

from dagster_kitops._compat import with_op_tags
from dagster_kitops._errors import translated
from kitops_orchestration.errors import KitOpsError

_T = TypeVar("_T")


def observe_each(
    specs: Sequence[dg.AssetSpec],
    things: Sequence[_T],
    look: Callable[[Any, dg.AssetKey, _T], dg.ObserveResult],
    *,
    name: str,
    resource_key: str,
    op_tags: Mapping[str, Any] | None = None,
) -> dg.AssetsDefinition:
    """Return one step that looks at each selected thing with the resource, in the order of ``specs``.

    The others are looked at and recorded before the step fails with the first error.

    Raises:
        DagsterInvalidDefinitionError: two specs have one asset key.
    """
    by_key = dict(zip(_distinct([spec.key for spec in specs]), things, strict=True))

    def observe(context: dg.AssetExecutionContext) -> Iterator[dg.ObserveResult]:
        resource = getattr(context.resources, resource_key)
        errors: list[KitOpsError] = []
        for key, thing in by_key.items():
            if key in context.selected_asset_keys:
                try:
                    yield look(resource, key, thing)
                except KitOpsError as error:
                    errors.append(error)
        if errors:
            for other in errors[1:]:
                context.log.error(str(other))
            with translated(context):
                raise errors[0]

    observed: dg.AssetsDefinition = dg.multi_observable_source_asset(
        specs=specs, can_subset=True, name=name, required_resource_keys={resource_key}
    )(observe)
    return with_op_tags(observed, op_tags)


def _distinct(keys: list[dg.AssetKey]) -> list[dg.AssetKey]:
    """Return ``keys``; raises ``DagsterInvalidDefinitionError`` that names those which are there twice."""
    doubled = sorted({key.to_user_string() for key in keys if keys.count(key) > 1})
    if doubled:
        raise dg.DagsterInvalidDefinitionError(
            f"several assets have the key {', '.join(doubled)}: give each a key of its own, by the translation"
        )
    return keys
