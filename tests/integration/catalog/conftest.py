"""The same sample as that of the unit tests."""

from tests.scenario.catalog.conftest import sample  # noqa: F401 - pytest finds the fixture here
