"""The same story as for the unit tests of lineage."""

from tests.unit.kitops_orchestration.lineage.conftest import (  # noqa: F401 - pytest finds fixtures here
    ada,
    mallory,
    put,
    repository,
    story,
    told,
    trust,
)
