from __future__ import annotations

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

from airflow_kitops._errors import airflow_errors
from kitops_orchestration.errors import KitfileError, NotFoundError, RegistryUnavailableError


def test_a_transient_error_may_be_retried() -> None:
    with pytest.raises(AirflowException) as caught, airflow_errors():
        raise RegistryUnavailableError("ghcr.io: 503")
    assert not isinstance(caught.value, AirflowFailException)
    assert isinstance(caught.value.__cause__, RegistryUnavailableError)


@pytest.mark.parametrize("error", [NotFoundError("no such tag"), KitfileError("no model", advice="add one")])
def test_a_permanent_error_fails_without_a_retry(error: Exception) -> None:
    with pytest.raises(AirflowFailException, match=str(error)), airflow_errors():
        raise error


def test_the_advice_is_part_of_the_message() -> None:
    with pytest.raises(AirflowFailException, match="add one"), airflow_errors():
        raise KitfileError("no model", advice="add one")
