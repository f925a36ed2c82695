"""What fingers used to the Kit CLI type, and what it is called here."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from kitops_orchestration.oci.reference import folder_registry

# How programs written in Go take a yes or no.
_BOOLEANS = {
    "--tls-verify=true": ["--tls-verify"],
    "--tls-verify=false": ["--no-tls-verify"],
    "--plain-http=true": ["--plain-http"],
    "--plain-http=false": [],
}
_VERBOSE = ("-v", "--verbose", "-vv", "-vvv")
_WHERE = "a reference says where it is: registry/repository:tag, or file:///folder/repository:tag"
_TAGS = "name the tags; what no tag leads to is freed by `kitctl prune`"
_SERVES = "kitctl serve runs until Ctrl-C; in the background it is `kitctl serve REFERENCE > serve.log 2>&1 &`"
_HINTS = {
    "--remote": _WHERE,
    "-r": _WHERE,
    "--all": _TAGS,
    "-a": _TAGS,
    "--force": "nothing is asked here, so nothing has to be forced",
    "--model": "write --filter model",
    "--kitfile": "write --filter kitfile",
    "--code": "write --filter code",
    "--datasets": "write --filter datasets",
    "--docs": "write --filter docs",
    "--as-skill": "unpack with --filter prompts into the agent's folder of skills",
    "--token": "name the variable that holds it: --token-env HF_TOKEN",
    "--detach": f"{_SERVES}, and `kill $!` ends it",
    "--stop": f"{_SERVES}, and `kill $!` ends it",
    "--logs": f"{_SERVES}, and what it says is in serve.log",
    "--log-level": "write -v to see where an error comes from",
    "--config": "set KITOPS_HOME to find the Kit CLI's credentials elsewhere",
}
"""For an option that only the Kit CLI has."""

VERBS = {"dev": f"the Kit CLI had it until 1.15; {_SERVES}; `kill $!` ends it, and what it says is in serve.log"}
"""For a verb that only the Kit CLI has."""


def in_our_words(arguments: Iterable[str]) -> tuple[list[str], bool]:
    """Return the arguments with our spelling of flags, and whether a traceback of an error is wanted.

    What follows ``--`` is left as it is.
    """
    words: list[str] = []
    is_verbose = False
    rest = iter(arguments)
    for text in rest:
        if text == "--":
            words += [text, *rest]
        elif text in _VERBOSE:
            is_verbose = True
        else:
            words += _BOOLEANS.get(text, [text])
    return words, is_verbose


def add_key_of_kit(command: click.Command) -> None:
    """Let ``--key`` mean the client certificate's key, as the Kit CLI has it, in verbs that sign nothing."""
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    if any("--key" in option.opts for option in options):
        return
    for option in options:
        if "--key-file" in option.opts:
            option.opts.append("--key")


def explained(error: click.ClickException) -> click.ClickException:
    """Return the error; about an option that only the Kit CLI has, one that says what it is here."""
    if isinstance(error, click.NoSuchOption) and error.option_name in _HINTS:
        return click.UsageError(f"{error.message.rstrip('.')}: {_HINTS[error.option_name]}", error.ctx)
    if isinstance(error, click.MissingParameter) and error.ctx and error.param is not None:
        hint = _without_store(str(error.ctx.info_name), str(error.param.name), error.ctx.params)
        if hint:
            return click.UsageError(f"{error.format_message()} There is no hidden store: {hint}", error.ctx)
    return error


def _without_store(verb: str, missing: str, given: dict[str, Any]) -> str | None:
    """Return the whole line to write where the Kit CLI would take its store on this machine."""
    folder = folder_registry(Path.cwd() / "models")
    if (verb, missing) == ("pack", "reference"):
        import shlex

        directory = given.get("directory") or Path("DIRECTORY")
        name = re.sub(r"[^a-z0-9]+", "-", directory.absolute().name.lower()).strip("-") or "model"
        return f"say where it goes, as in `kitctl pack {shlex.quote(str(directory))} -t {folder}/{name}:v1`"
    if (verb, missing) == ("list", "repository"):
        return f"say where to look, as in `kitctl list {folder}`"
    if missing == "destination" and verb in ("push", "pull"):
        return _second_reference(verb, str(given.get("source") or "REFERENCE"), folder)
    return None


def _second_reference(verb: str, reference: str, folder: str) -> str:
    name = reference.rpartition("/")[2]
    if verb == "pull":
        return f"say into which folder it goes, as in `kitctl pull {reference} {folder}/{name}`"
    if reference.startswith("file:"):
        return f"say where it goes, as in `kitctl push {reference} registry.example/team/{name}`"
    return (
        f"say where it comes from, as in `kitctl push {folder}/{name} {reference}`, "
        f"or do it in one: `kitctl pack DIRECTORY -t {reference} --push`"
    )
