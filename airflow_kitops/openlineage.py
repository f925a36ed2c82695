"""The run facet ``kitops_modelkit``: what a task says about the ModelKit that it made, for lineage backends.

Datasets come from hook lineage (:mod:`airflow_kitops.hooks.lineage`), so that operators and plain tasks agree in
their names; this adds what no dataset has a place for: size, MLflow run and metrics, stage, approver.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage

RUN_FACET = "kitops_modelkit"
_SCHEMA = "urn:kitops-orchestration:openlineage:modelkit-run-facet:v1"


def run_lineage(facts: Mapping[str, Any]) -> OperatorLineage:
    """Return a task's result as a run facet; without datasets, so that Airflow adds those of the hook."""
    import attr
    from airflow.providers.openlineage.extractors import OperatorLineage
    from openlineage.client.facet_v2 import RunFacet

    from kitops_orchestration.lineage.projections.openlineage import PRODUCER

    @attr.define
    class ModelKitRunFacet(RunFacet):
        modelkit: dict[str, Any]

        @staticmethod
        def _get_schema() -> str:
            return _SCHEMA

    facet: Any = ModelKitRunFacet  # its other arguments come from the base, which type checking skips
    known = {name: value for name, value in facts.items() if value is not None}
    return OperatorLineage(run_facets={RUN_FACET: facet(modelkit=known, producer=PRODUCER)})
