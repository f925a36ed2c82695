"""The same folders, keys and command as for the unit tests of the command line."""

from tests.unit.kitops_orchestration.cli.conftest import (  # noqa: F401 - pytest finds fixtures here
    copy_of,
    here,
    key,
    kit,
    kitctl,
    packed,
    policy,
    repository,
    trust,
)
