"""The same folders as for the unit tests of ModelKits."""

from tests.unit.kitops_orchestration.modelkit.conftest import (  # noqa: F401 - pytest finds fixtures here
    make_context,
    own_cache,
    repository,
)
