"""The work of ``airflow kitops``: one verb of the hook, and ``kitctl``'s way to print the answer."""

from __future__ import annotations

import functools
import os
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from airflow_kitops._compat import AirflowException, AirflowNotFoundException
from airflow_kitops._errors import airflow_errors
from airflow_kitops.hooks import KitOpsHook

if TYPE_CHECKING:
    from kitops_orchestration.cli.output.answer import AsPage
    from kitops_orchestration.client.doctor import Finding

_PROBE = "kitops-orchestration-check"


def _asking(command: Callable[[KitOpsHook, Namespace], None]) -> Callable[[Namespace], None]:
    """Give a command its hook, and end with a message instead of a traceback."""

    @functools.wraps(command)
    def run(args: Namespace) -> None:
        # Connections are then looked up where Airflow stores them, as its own `connections` commands do it.
        os.environ["_AIRFLOW_PROCESS_CONTEXT"] = "server"
        try:
            with airflow_errors():
                command(KitOpsHook(args.conn_id), args)
        except AirflowException as error:
            sys.exit(f"airflow kitops: {error}")

    return run


@_asking
def doctor(hook: KitOpsHook, args: Namespace) -> None:
    """Check what a task with this connection needs; leave with 1 when something is wrong."""
    from kitops_orchestration.cli.commands.machine.doctor import print_findings
    from kitops_orchestration.client.doctor import examine

    findings = list(_look_at_connection(hook))
    if all(finding.verdict != "wrong" for finding in findings):
        registry = hook.client.reference(_PROBE) if hook.settings.registry else None
        # Whether Docker's configuration knows the registry is beside the point: the connection says how to log in.
        findings += [found for found in examine(hook.client.bare, registry) if found.name != "credentials"]
    is_healthy = print_findings(findings, as_json=args.output == "json")
    if not is_healthy:
        sys.exit(1)


@_asking
def list_modelkits(hook: KitOpsHook, args: Namespace) -> None:
    """List the ModelKits of a repository."""
    from kitops_orchestration.cli.commands.look.list import print_modelkits

    where = hook.client.reference(args.repository)
    print_modelkits(hook.client.bare, where, as_json=args.output == "json")


@_asking
def inspect(hook: KitOpsHook, args: Namespace) -> None:
    """Show what a ModelKit is made of."""
    _print(hook.client.bare.inspect(args.reference), args)


@_asking
def lineage(hook: KitOpsHook, args: Namespace) -> None:
    """Show what made a ModelKit and where it went."""
    _print(hook.client.bare.lineage(args.reference), args)


@_asking
def verify(hook: KitOpsHook, args: Namespace) -> None:
    """Verify the signatures of a ModelKit; leave with 1 when they do not suffice."""
    _print(hook.client.bare.verify(args.reference), args)


@_asking
def where_deployed(hook: KitOpsHook, args: Namespace) -> None:
    """Show which version of a repository is deployed where."""
    _print(hook.client.bare.where_deployed(hook.client.reference(args.repository)), args)


def _print(answer: AsPage, args: Namespace) -> None:
    from kitops_orchestration.cli.output.answer import print_answer

    print_answer(answer, as_json=args.output == "json")


def _look_at_connection(hook: KitOpsHook) -> Iterator[Finding]:
    from kitops_orchestration.client.doctor import Finding
    from kitops_orchestration.errors import KitOpsError

    try:
        settings = hook.settings
    except (KitOpsError, AirflowNotFoundException) as error:
        yield Finding("connection", "wrong", str(error), getattr(error, "advice", None) or "airflow connections add")
        return
    if settings.registry is None:
        yield Finding("connection", "note", f"{hook.kitops_conn_id} names no registry", "references have to name one")
    else:
        yield Finding("connection", "ok", f"{hook.kitops_conn_id}: {settings.registry}")
    for name, is_given, read in (
        ("signing key", settings.signing_private_key, lambda: hook.signer),
        ("trust policy", settings.trust_policy, lambda: hook.trust),
        ("verification key", settings.verification_public_key, lambda: hook.public_key),
    ):
        if not is_given:
            yield Finding(name, "note", "none")
            continue
        try:
            read()
        except KitOpsError as error:
            yield Finding(name, "wrong", str(error), error.advice)
        else:
            yield Finding(name, "ok", "can be read")
