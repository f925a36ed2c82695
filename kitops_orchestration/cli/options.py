"""Options that several verbs share, and the client they make."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from kitops_orchestration.cli.progress_bar import terminal_progress
from kitops_orchestration.client import KitClient
from kitops_orchestration.settings import Limits

F = TypeVar("F", bound=Callable[..., Any])


def json_option(function: F) -> F:
    """Add ``--json``, passed on as ``as_json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")(function)


def tag_option(function: F) -> F:
    """Add ``-t/--tag REFERENCE``, passed on as ``reference``."""
    return click.option(
        "-t", "--tag", "reference", required=True, metavar="REFERENCE", help="Where the ModelKit goes, with its tag."
    )(function)


def network_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options of every verb that talks to a registry and hand the verb a ``client``."""

    @click.option(
        "--plain-http", is_flag=True, default=None, help="Use HTTP without TLS (loopback hosts need no flag)."
    )
    @click.option(
        "--tls-verify/--no-tls-verify", default=True, show_default=True, help="Check the registry's certificate."
    )
    @click.option(
        "--ca-bundle", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="CA certificates (PEM)."
    )
    @click.option(
        "--cert", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Client certificate (PEM)."
    )
    @click.option(
        "--key-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Key of --cert (PEM)."
    )
    @click.option(
        "--concurrency", type=click.IntRange(1, 64), default=4, show_default=True, help="Blobs moved at once."
    )
    @click.option(
        "--progress", type=click.Choice(["auto", "none"]), default="auto", help="Bars on a terminal, or none."
    )
    @functools.wraps(function)
    def command(
        plain_http: bool | None,
        tls_verify: bool,
        ca_bundle: Path | None,
        cert: Path | None,
        key_file: Path | None,
        concurrency: int,
        progress: str,
        **rest: Any,
    ) -> None:
        from kitops_orchestration.oci.transport import TlsOptions

        tls = TlsOptions(verify=tls_verify, ca_bundle=ca_bundle, client_certificate=cert, client_key=key_file)
        with terminal_progress(is_wanted=progress == "auto" and not rest.get("as_json")) as listen:
            client = KitClient(
                plain_http=plain_http or None, tls=tls, limits=Limits(concurrency=concurrency), progress=listen
            )
            function(client=client, **rest)

    return command
