"""Options of verbs that pack: what may leave although the gate would refuse it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def gate_options(function: F) -> F:
    """Add ``--allow-secret`` and ``--allow-content``, passed on as the rules ``gate``."""

    @click.option(
        "--allow-secret",
        multiple=True,
        metavar="PATH[:LINE]=WHY",
        help="Send what looks like a secret there; may be repeated.",
    )
    @click.option(
        "--allow-content",
        multiple=True,
        metavar="PATH=WHY",
        help="Send a file that is not what its name says; may be repeated.",
    )
    @functools.wraps(function)
    def command(*, allow_secret: tuple[str, ...], allow_content: tuple[str, ...], **rest: Any) -> Any:
        from kitops_orchestration.modelkit.packing.gate import GateRules

        return function(gate=GateRules(allow_secret=allow_secret, allow_content=allow_content), **rest)

    return command  # type: ignore[return-value] # it has the signature of the function without "gate"
