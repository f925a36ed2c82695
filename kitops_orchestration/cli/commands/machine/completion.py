"""``kitctl completion``."""

from __future__ import annotations

import click

from kitops_orchestration.cli.options.client import json_option
from kitops_orchestration.cli.output.answer import print_json

VARIABLE = "_KITCTL_COMPLETE"


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@json_option
@click.pass_context
def command(context: click.Context, shell: str, as_json: bool) -> None:
    """Print the script that completes verbs and options in a shell.

    For this session:  source <(kitctl completion bash)

    For good, in fish:  kitctl completion fish > ~/.config/fish/completions/kitctl.fish
    """
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"there is no completion for {shell}")
    script = found(context.find_root().command, {}, "kitctl", VARIABLE).source()
    if as_json:
        print_json({"shell": shell, "script": script})
    else:
        click.echo(script)
