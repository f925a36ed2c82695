"""``kitctl login``."""

from __future__ import annotations

import sys

import click

from kitops_orchestration.cli.options.client import json_option, network_options
from kitops_orchestration.cli.output.answer import print_facts, print_json, print_warning
from kitops_orchestration.client import KitClient


@click.command("login")
@click.argument("registry")
@click.option("-u", "--username", help="User name; asked for on a terminal otherwise.")
@click.option("-p", "--password", help="Password. It stays in your shell's history: rather be asked for it.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@json_option
@network_options
def command(
    client: KitClient,
    registry: str,
    username: str | None,
    password: str | None,
    password_stdin: bool,
    as_json: bool,
) -> None:
    """Check credentials against a registry, then keep them where Docker keeps its own.

    pass show registry | kitctl login registry.example -u ada --password-stdin
    """
    if password is not None:
        if password_stdin:
            raise click.UsageError("--password and --password-stdin exclude each other")
        print_warning("a password on the command line stays in the history; --password-stdin does not")
    if username is None:
        username = _ask("--username", "Username")
    if password_stdin:
        password = sys.stdin.read().rstrip("\r\n")
    elif password is None:
        password = _ask("--password-stdin", "Password", is_secret=True)
    if not (username and password):
        raise click.UsageError("user name and password must not be empty")
    kept_in = client.login(registry, username, password)
    if as_json:
        print_json({"registry": registry, "username": username, "keptIn": kept_in})
    else:
        print_facts([("logged in", f"{registry} as {username}"), ("kept in", kept_in)])


def _ask(option: str, question: str, *, is_secret: bool = False) -> str:
    if not sys.stdin.isatty():
        raise click.UsageError(f"there is no terminal to ask on: give {option}")
    answer: str = click.prompt(question, hide_input=is_secret, err=True)
    return answer
