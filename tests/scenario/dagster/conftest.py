"""The same resource and instance as for the unit tests of Dagster."""

import pytest
from dagster._core.definitions.definitions_load_context import DefinitionsLoadContext

from tests.unit.dagster_kitops.conftest import (  # noqa: F401 - pytest finds fixtures here
    bare_kitops,
    context_dir,
    instance,
    kitops,
    run,
    shared_instance,
)


@pytest.fixture(autouse=True)
def loaded_for_the_first_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget that a test before loaded definitions again, as a step does: Dagster keeps that for the whole process.

    A component with a state would refresh it no more.
    """
    monkeypatch.setattr(DefinitionsLoadContext, "_instance", None)
