"""What an error came from: each once, whatever the chain."""

from __future__ import annotations

from kitops_orchestration.errors import AuthenticationError, KitOpsError, RegistryUnavailableError, causes


def test_what_an_error_came_from_is_told_in_order() -> None:
    first, second, third = KitOpsError("third"), RegistryUnavailableError("second"), OSError(28, "full")
    first.__cause__, second.__context__ = second, third
    assert list(causes(first)) == [first, second, third]


def test_a_chain_that_leads_back_ends() -> None:
    first, second = AuthenticationError("refused"), RegistryUnavailableError("down")
    first.__context__, second.__context__ = second, first
    assert list(causes(first)) == [first, second]


def test_an_error_that_is_its_own_cause_is_told_once() -> None:
    error = KitOpsError("refused")
    error.__cause__ = error
    assert list(causes(error)) == [error]
