"""The one place where the core's errors become Dagster's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg

from kitops_orchestration.disk.bytecode import after_failure
from kitops_orchestration.errors import GateRefusedError, KitOpsError


@contextmanager
def translated(context: dg.AssetExecutionContext | dg.OpExecutionContext | None = None) -> Iterator[None]:
    """Turn a :class:`KitOpsError` into what a Dagster step understands.

    Transient: a failure that the step's retry policy answers, no sooner than the registry allows; without a
    policy the step just fails.  Permanent: ``Failure(allow_retries=False)``, since trying again cannot help.
    Message, reference and advice become metadata of the failure.

    Raises:
        dagster.Failure: permanent, or transient without an answer from the registry on when to come back.
        dagster.RetryRequested: transient, with a retry policy and a time named by the registry.
    """
    try:
        yield
    except KitOpsError as error:
        after_failure(error)
        policy = _retry_policy(context)
        wait_seconds = getattr(error, "retry_after_seconds", None)
        if error.transient and policy is not None and wait_seconds is not None:
            raise dg.RetryRequested(max_retries=policy.max_retries, seconds_to_wait=wait_seconds) from error
        raise failure(error) from error


def failure(error: KitOpsError) -> dg.Failure:
    """Return the Dagster failure that says what ``error`` says; only a transient one may be retried."""
    facts = {
        "error": type(error).__name__,
        "advice": error.advice,
        "reference": getattr(error, "reference", None),
        "operation": getattr(error, "operation", None),
    }
    metadata: dict[str, Any] = {key: str(value) for key, value in facts.items() if value}
    if isinstance(error, GateRefusedError):
        metadata["findings"] = dg.MetadataValue.json(error.findings)
    advice = f"\nAdvice: {error.advice}" if error.advice else ""
    return dg.Failure(
        description=f"{error}{advice}",
        metadata=metadata,
        allow_retries=error.transient,
    )


def definition_error(error: KitOpsError, of: str | None = None) -> dg.DagsterInvalidDefinitionError:
    """Return the error of a definition that cannot be right; of a ``ValueError`` pydantic would repeat the input.

    Raise it ``from None``: a traceback would show the value, which may be a secret.
    """
    said = f"{error}: {error.advice}" if error.advice else str(error)
    return dg.DagsterInvalidDefinitionError(f"{of}: {said}" if of else said)


def _retry_policy(context: dg.AssetExecutionContext | dg.OpExecutionContext | None) -> dg.RetryPolicy | None:
    if context is None:
        return None
    try:
        return context.get_step_execution_context().op_retry_policy
    except (AttributeError, dg.DagsterInvariantViolationError):
        return None  # a context built for a direct call has no step
