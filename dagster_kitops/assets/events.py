"""The event of a ModelKit that was published, which can be told more about itself before it is yielded."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Self

import dagster as dg

from dagster_kitops.metadata import diff_metadata, is_own_label, ordered, page_metadata
from kitops_orchestration.errors import KitOpsError

if TYPE_CHECKING:
    from dagster_kitops.registry_access import RegistryAccess
    from kitops_orchestration.oci.reference import Reference

_ORIGIN = "_modelkit"


class ModelKitEvent(dg.MaterializeResult[Any]):
    """The materialization of one ModelKit; each method returns the same one with more metadata::

        yield kitops.publish(context, folder).with_metrics().with_passport()

    The ModelKit is in its registry and tagged by then, so what cannot be found out is a warning in the run's log.
    """

    @classmethod
    def of(
        cls,
        made: dg.MaterializeResult[Any],
        context: dg.AssetExecutionContext,
        kitops: RegistryAccess,
        reference: Reference,
    ) -> Self:
        """Return the event ``made``, able to ask ``kitops`` about the ModelKit at ``reference``."""
        event = cls(
            asset_key=made.asset_key,
            metadata=ordered(made.metadata or {}),
            check_results=made.check_results,
            data_version=made.data_version,
            tags=made.tags,
        )
        event.__dict__[_ORIGIN] = (context, kitops, reference)
        return event

    def with_diff(self, against: str | Reference | None = None) -> Self:
        """Say what changed since ``against``, for example what production has; unset: since the version before.

        The version before is compared by itself, so without ``against`` nothing is asked.
        """
        if against is None:
            return self
        return self._with(
            lambda kitops, reference: diff_metadata(kitops.get_client().diff(kitops.reference(against), reference))
        )

    def with_metrics(self) -> Self:
        """Add the metrics that the ModelKit's evidence has, as plots: of the MLflow run, or of its Kitfile."""

        def metrics(kitops: RegistryAccess, reference: Reference) -> Mapping[str, Any]:
            found = kitops.get_client().passport(reference, trust=None).metrics
            return {
                name: value
                for name, value in found.items()
                if isinstance(value, (int, float)) and math.isfinite(value) and not is_own_label(name)
            }

        return self._with(metrics)

    def with_passport(self) -> Self:
        """Add the passport: all that the registry knows of the ModelKit, on one page."""
        return self._with(
            lambda kitops, reference: page_metadata(
                "kitops/passport", kitops.get_client().passport(reference).to_markdown()
            )
        )

    def _with(self, ask: Callable[[RegistryAccess, Reference], Mapping[str, Any]]) -> Self:
        context, kitops, reference = self.__dict__[_ORIGIN]
        try:
            found = ask(kitops, reference)
        except KitOpsError as error:
            context.log.warning("%s: %s", reference, error)
            return self
        more = dg.MaterializeResult[Any](
            asset_key=self.asset_key,
            metadata={
                **found,
                **{label: value for label, value in (self.metadata or {}).items() if label not in found},
            },
            check_results=self.check_results,
            data_version=self.data_version,
            tags=self.tags,
        )
        return type(self).of(more, context, kitops, reference)
