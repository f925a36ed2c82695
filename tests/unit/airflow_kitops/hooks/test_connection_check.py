"""Which part of a connection an error is about."""

from __future__ import annotations

from airflow_kitops.hooks.connection_check import wrong_part
from kitops_orchestration.errors import AuthenticationError, RegistryUnavailableError


def test_errors_that_came_from_each_other_are_told_apart_all_the_same() -> None:
    first, second = AuthenticationError("refused"), RegistryUnavailableError("down")
    first.__context__, second.__context__ = second, first
    assert wrong_part(first) == "credentials"
