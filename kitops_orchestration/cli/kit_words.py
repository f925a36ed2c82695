"""What fingers used to the Kit CLI type, and what it is called here."""

from __future__ import annotations

from collections.abc import Iterable

import click

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
    "--log-level": "write -v to see where an error comes from",
    "--config": "set KITOPS_HOME to find the Kit CLI's credentials elsewhere",
}
"""For an option that only the Kit CLI has."""

_TWO_REFERENCES = {
    "push": "There is no hidden store: say where it comes from, or use `kitctl pack DIRECTORY -t REFERENCE --push`.",
    "pull": "There is no hidden store: say into which folder it goes, as file:///folder/repository:tag.",
}
"""For the verbs that name one reference in the Kit CLI."""


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
    if isinstance(error, click.MissingParameter) and error.ctx and error.ctx.info_name in _TWO_REFERENCES:
        return click.UsageError(f"{error.format_message()} {_TWO_REFERENCES[error.ctx.info_name]}", error.ctx)
    return error
