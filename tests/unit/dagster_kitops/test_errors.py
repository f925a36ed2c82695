import dagster as dg
import pytest

from dagster_kitops._errors import translated
from kitops_orchestration.disk.bytecode import MAY_BE_CUT
from kitops_orchestration.errors import AccessDeniedError, ModelKitError, RegistryUnavailableError


def run(error, retry_policy=None):
    tries = []

    @dg.asset(retry_policy=retry_policy)
    def failing(context: dg.AssetExecutionContext):
        tries.append(1)
        with translated(context):
            raise error

    result = dg.materialize([failing], raise_on_error=False)
    return result, len(tries)


def failure_of(result):
    (event,) = [event for event in result.all_events if event.is_step_failure]
    return event.event_specific_data.error


def test_a_permanent_error_is_not_retried():
    result, tries = run(
        AccessDeniedError("no push to r/x", reference="r/x", advice="ask for the right"), dg.RetryPolicy(max_retries=3)
    )
    assert tries == 1
    assert not result.success


def test_a_transient_error_is_retried_by_the_policy():
    _, tries = run(RegistryUnavailableError("503 from r"), dg.RetryPolicy(max_retries=2))
    assert tries == 3


def test_a_transient_error_with_a_time_from_the_registry_is_retried_after_it():
    result, tries = run(RegistryUnavailableError("429", retry_after_seconds=0), dg.RetryPolicy(max_retries=1, delay=60))
    assert tries == 2
    assert not result.success


def test_without_a_policy_a_transient_error_fails_once():
    _, tries = run(RegistryUnavailableError("503 from r", retry_after_seconds=9))
    assert tries == 1


def test_the_failure_says_what_where_and_what_now():
    with pytest.raises(dg.Failure) as caught, translated():
        raise AccessDeniedError("no push to r/x", reference="r/x", operation="push", advice="ask for the right")
    assert "no push to r/x" in caught.value.description
    assert "ask for the right" in caught.value.description
    assert caught.value.metadata["reference"].value == "r/x"
    assert caught.value.metadata["operation"].value == "push"
    assert not caught.value.allow_retries
    assert isinstance(caught.value.__cause__, AccessDeniedError)


def test_other_errors_pass_untouched():
    with pytest.raises(ZeroDivisionError), translated():
        _ = 1 / 0


@pytest.mark.skipif(not MAY_BE_CUT, reason="this Python cuts no bytecode")
def test_bytecode_that_a_full_disk_cut_is_gone_when_the_step_has_failed(cut_bytecode):
    error = ModelKitError("cannot write")
    error.__cause__ = OSError(28, "No space left on device")
    run(error)
    assert not cut_bytecode.exists()
