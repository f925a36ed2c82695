"""The same resource and instance as for the unit tests of Dagster."""

from tests.unit.dagster_kitops.conftest import (  # noqa: F401 - pytest finds fixtures here
    bare_kitops,
    context_dir,
    instance,
    kitops,
    run,
    shared_instance,
)
