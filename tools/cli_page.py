"""Print docs/reference/cli.md: what ``--help`` says for every verb. ``make docs`` writes it, a test compares it."""

from __future__ import annotations

import click

from kitops_orchestration.cli.main import VERBS, cli

WIDTH = 80
"""What the page is wide enough for, and the narrowest of usual terminals."""
HEAD = """# Command line

Made by `make docs` from what the verbs say about themselves.

- A reference is `registry/repository:tag` or `registry/repository@sha256:…`; for a folder registry,
  `file:///folder/repository:tag`.
- With `--json` a verb prints one JSON object and nothing else on standard output.
- Exit status: 0 done; 1 an expected error, with what to do about it; 2 wrong usage; 70 a bug; 130 stopped by Ctrl-C.
"""


def help_of(command: click.Command, name: str) -> str:
    """Return a command's help, the same on every terminal."""
    context = click.Context(command, info_name=name, terminal_width=WIDTH, max_content_width=WIDTH)
    context.help_option_names = ["-h", "--help"]
    return command.get_help(context)


def render() -> str:
    """Return the page."""
    sections = [HEAD, f"```text\n{help_of(cli, 'kitctl')}\n```\n"]
    for verb in VERBS:
        command = cli.get_command(click.Context(cli), verb)
        if command is None:
            raise LookupError(verb)
        sections.append(f"## {verb}\n\n```text\n{help_of(command, f'kitctl {verb}')}\n```\n")
    return "\n".join(sections)


if __name__ == "__main__":
    print(render(), end="")
