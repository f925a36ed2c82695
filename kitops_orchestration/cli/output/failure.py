"""What a failure prints: what happened, where, and what to do about it, in the words of the command line."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from typing import Any

import click

from kitops_orchestration.cli.output.characters import json_text
from kitops_orchestration.errors import (
    AuthenticationError,
    GateRefusedError,
    IntegrityError,
    InvalidReferenceError,
    KitfileError,
    KitOpsError,
    RegistryUnavailableError,
    SignatureError,
    causes,
)
from kitops_orchestration.oci.reference import folder_registry
from kitops_orchestration.presentation.text import printable

EXIT_EXPECTED, EXIT_BUG, EXIT_INTERRUPTED = 1, 70, 130
"""The last is what shells say of a program that Ctrl-C ended: 128 and the number of the signal."""

# The core speaks to programs; here is the same for somebody at a terminal.
_WORDS = {
    "choose exists='overwrite' or exists='ignore'": "give --overwrite or --ignore-existing",
    "as ca_bundle (TlsOptions)": "with --ca-bundle, or --no-tls-verify to go on without checking it",
    "write one, or let 'generate' make one from the directory": "write one, or run `kitctl init` in the directory",
    "log in, or check user name and password": "run `kitctl login`, or check user name and password",
    "pack with layer_format='tar'": "pack with --layer-format tar",
    "choose a compression or layer_format='tar'": "give --compression or --layer-format tar",
    "give registered_model=..., or mode='copy'": "give --name, or --mode copy",
    "import it with mode='copy'": "import it with --mode copy",
    "give registered_model=... as well": "give --name as well",
    "model_name=...": "--model-name",
    "best='<metric>:max'": "--best METRIC:max",
    "best='<metric>:min'": "--best METRIC:min",
    "pass require_finished=False": "give --allow-unfinished",
    "with write_back=True": "with --write-back",
    "give tracking_uri=...": "give --tracking-uri",
    "with datasets='reference'": "with --datasets reference",
    "give it more time with timeout_seconds": "give it more time with --timeout",
    "use plain_http if": "give --plain-http if",
    "give the client, connection or resource a registry": "name the registry",
}
# For errors that say themselves what is to be changed; the most special first.
_USUAL: tuple[tuple[type[KitOpsError], str], ...] = (
    (KitfileError, "correct the Kitfile and run it again"),
    (AuthenticationError, "log in, or check user name and password"),
    (RegistryUnavailableError, "run it again later; what was moved is not moved twice"),
    (IntegrityError, "run it again; if it stays, push the ModelKit again from where it is whole"),
    (SignatureError, "check the key or the trust policy"),
    (KitOpsError, "correct that and run it again"),
)


def report_expected(error: KitOpsError, *, as_json: bool, is_verbose: bool) -> int:
    """Say what went wrong and what to do, without a traceback unless asked for; return the exit code."""
    if is_verbose:
        traceback.print_exception(error)
    advice = in_terminal_words(error.advice or _usual_advice(error))
    if isinstance(error, InvalidReferenceError) and "names no registry" in str(error):
        advice += f"; a folder here is {folder_registry(Path.cwd())}/repository:tag"
    if as_json:
        more = {"findings": error.findings} if isinstance(error, GateRefusedError) else {}
        _print_json(type(error).__name__, str(error), advice, transient=error.transient, **more)
    _print_text(str(error), advice)
    return EXIT_EXPECTED


def report_usage(error: click.ClickException, *, as_json: bool) -> int:
    """Say which word of the command is wrong; return the exit code."""
    if as_json:
        context = getattr(error, "ctx", None)
        advice = f"see `{context.command_path} --help`" if context else "see `kitctl --help`"
        _print_json(type(error).__name__, error.format_message(), advice, transient=False)
    error.show()
    return error.exit_code


def report_stopped(error: click.Abort, *, as_json: bool) -> int:
    """Say that somebody stopped it, or that there was nobody to answer a question; return the exit code."""
    is_interrupted = any(isinstance(cause, KeyboardInterrupt) for cause in causes(error))
    if as_json:
        _print_json("Stopped", "stopped", "run it again; what was moved is not moved twice", transient=True)
    click.echo("kitctl: stopped", err=True)
    return EXIT_INTERRUPTED if is_interrupted else EXIT_EXPECTED


def report_system(error: OSError, *, as_json: bool, is_verbose: bool) -> int:
    """Say what the operating system refused; that is nobody's bug. Return the exit code."""
    where = f" {error.filename}:" if error.filename else ""
    message = f"the system refused:{where} {error.strerror or type(error).__name__}"
    advice = "check that the path exists, is yours to write, and has room"
    return _report_of_machine(error, message, advice, as_json=as_json, is_verbose=is_verbose)


def report_unwritable_name(error: UnicodeEncodeError, *, as_json: bool, is_verbose: bool) -> int | None:
    """Say which name the locale's character set cannot write; return the exit code, or ``None`` for other faults."""
    encoding = sys.getfilesystemencoding()
    if encoding.startswith("utf") or error.encoding != encoding:
        return None
    message = f"the locale's character set ({encoding}) cannot write {error.object!r}"
    advice = "choose one that can, as with LC_ALL=C.UTF-8"
    return _report_of_machine(error, message, advice, as_json=as_json, is_verbose=is_verbose)


def _report_of_machine(error: Exception, message: str, advice: str, *, as_json: bool, is_verbose: bool) -> int:
    if is_verbose:
        traceback.print_exception(error)
    if as_json:
        _print_json(type(error).__name__, message, advice, transient=False)
    _print_text(message, advice)
    return EXIT_EXPECTED


def report_bug(error: Exception, *, as_json: bool, is_verbose: bool) -> int:
    """Name a bug as one; return the exit code."""
    message, advice = f"this is a bug: {type(error).__name__}: {error}", "run again with -v and report the traceback"
    if as_json:
        _print_json(type(error).__name__, message, advice, transient=False)
    _print_text(message, advice)
    if is_verbose:
        traceback.print_exception(error)
    return EXIT_BUG


def _usual_advice(error: KitOpsError) -> str:
    return next(advice for kind, advice in _USUAL if isinstance(error, kind))


def in_terminal_words(advice: str) -> str:
    """Return advice with options of the command line where the core names its own."""
    for ours, theirs in _WORDS.items():
        advice = advice.replace(ours, theirs)
    return advice


def _print_text(message: str, advice: str | None) -> None:
    click.echo(f"kitctl: {printable(message)}", err=True)
    if advice:
        click.echo(f"  what to do: {printable(advice)}", err=True)


def _print_json(name: str, message: str, advice: str | None, *, transient: bool, **more: Any) -> None:
    answer: dict[str, Any] = {"error": name, "message": message, "advice": advice, "transient": transient, **more}
    click.echo(json_text(answer))
