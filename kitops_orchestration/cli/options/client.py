"""Options that several verbs share, and the client they make."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from kitops_orchestration.cli.interruption import stoppable
from kitops_orchestration.cli.output.progress_bar import STYLES, show_progress
from kitops_orchestration.client import KitClient
from kitops_orchestration.errors import NotFoundError
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.settings import Limits

F = TypeVar("F", bound=Callable[..., Any])
_PEM = click.Path(exists=True, dir_okay=False, path_type=Path)


def json_option(function: F) -> F:
    """Add ``--json``, passed on as ``as_json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")(function)


def markdown_option(function: F) -> F:
    """Add ``--markdown``, passed on as ``as_markdown``."""
    return click.option(
        "--markdown", "as_markdown", is_flag=True, help="Print Markdown: for a pull request or a job's summary."
    )(function)


def tag_option(function: F) -> F:
    """Add ``-t/--tag REFERENCE``, passed on as ``reference``."""
    return click.option(
        "-t", "--tag", "reference", required=True, metavar="REFERENCE", help="Where the ModelKit goes, with its tag."
    )(function)


def variant_option(function: F) -> F:
    """Add ``--variant``, passed on as ``variant``: the reference is then an index of several ModelKits."""
    return click.option(
        "--variant",
        multiple=True,
        metavar="KEY=VALUE",
        help="Which ModelKit of an index, by an annotation or a platform (linux/arm64); may be repeated.",
    )(function)


def push_option(function: F) -> F:
    """Add ``--push``: without it a verb that makes a ModelKit writes into folders only."""
    return click.option(
        "--push", is_flag=True, help="Stream straight into the registry of REFERENCE; nothing is kept here."
    )(function)


def new_reference(client: KitClient, text: str, *, push: bool) -> Reference:
    """Return where a new ModelKit goes, ``latest`` without a tag; it needs ``--push`` when that is a registry."""
    where = client.reference(text).or_latest().require_tag()
    if not where.is_folder and not push:
        raise click.UsageError(
            f"{where.registry} is a registry: add --push, or name a folder: -t file:///folder/repository:tag"
        )
    return where


def network_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options of every verb that talks to a registry and hand the verb a ``client``."""

    @click.option(
        "--plain-http", is_flag=True, default=None, help="Use HTTP without TLS (loopback hosts need no flag)."
    )
    @click.option(
        "--tls-verify/--no-tls-verify",
        default=None,
        help="Check the registry's certificate.  [default: tls-verify]",
    )
    @click.option("--ca-bundle", type=_PEM, help="CA certificates (PEM).")
    @click.option("--cert", type=_PEM, help="Client certificate (PEM).")
    @click.option("--key-file", type=_PEM, help="Key of --cert (PEM).")
    @click.option(
        "--proxy",
        metavar="URL",
        help="Reach the registry through http://host:port, whatever HTTPS_PROXY and NO_PROXY say.",
    )
    @click.option(
        "--concurrency", type=click.IntRange(1, 64), default=4, show_default=True, help="Blobs moved at once."
    )
    @click.option(
        "--retries",
        type=click.IntRange(0, 100),
        default=5,
        show_default=True,
        help="How often a request is sent again when the registry does not answer.",
    )
    @click.option(
        "--progress",
        type=click.Choice(STYLES),
        default="auto",
        show_default=True,
        help="Bars, one plain line for each step, or none; auto draws bars on a terminal, lines elsewhere.",
    )
    @functools.wraps(function)
    def command(
        plain_http: bool | None,
        tls_verify: bool | None,
        ca_bundle: Path | None,
        cert: Path | None,
        key_file: Path | None,
        proxy: str | None,
        concurrency: int,
        retries: int,
        progress: str,
        **rest: Any,
    ) -> None:
        from kitops_orchestration.oci.http.tls import TlsOptions

        if key_file is not None and cert is None:
            raise click.UsageError("--key-file is the key of a client certificate: give --cert as well")
        tls = None  # what this machine's files say of the registry counts where nothing was said here
        if tls_verify is not None or ca_bundle is not None or cert is not None:
            verify = tls_verify is not False
            tls = TlsOptions(verify=verify, ca_bundle=ca_bundle, client_certificate=cert, client_key=key_file)
        with stoppable() as cancel, show_progress(progress) as listen:
            limits = Limits(concurrency=concurrency, retries=retries)
            client = KitClient(
                plain_http=plain_http or None, tls=tls, limits=limits, progress=listen, cancel=cancel, proxy=proxy
            )
            try:
                function(client=client, **rest)
            except NotFoundError as error:
                from kitops_orchestration.cli.output.nearby import say_what_is_there

                say_what_is_there(client, error)
                raise

    return command
