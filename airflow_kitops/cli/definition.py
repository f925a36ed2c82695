"""What ``airflow kitops`` offers; the work is imported when a command is called."""

from __future__ import annotations

from airflow.cli.cli_config import ActionCommand, Arg, CLICommand, GroupCommand, lazy_load_command

_CONN_ID = Arg(("--conn-id",), default="kitops_default", help="Connection of type kitops to ask with.")
_OUTPUT = Arg(
    ("-o", "--output"),
    choices=("table", "json"),
    default="table",
    help="table for people, json for programs.",
)
_REFERENCE = Arg(("reference",), help="A reference; one that names no registry is completed from the connection.")
_REPOSITORY = Arg(("repository",), help="A repository; completed from the connection as a reference is.")


def get_kitops_commands() -> list[CLICommand]:
    """Return the group ``kitops``, as Airflow's provider key ``cli`` asks for it."""
    return [
        GroupCommand(
            name="kitops",
            help="Ask about ModelKits through a connection",
            subcommands=(
                _command("doctor", "Check connection, registry, keys, clock and disk; exit 1 when something is wrong"),
                _command("list", "List the ModelKits of a repository", _REPOSITORY),
                _command("inspect", "Show manifest, Kitfile and layers", _REFERENCE),
                _command("lineage", "Show what made a ModelKit and where it went", _REFERENCE),
                _command("verify", "Verify signatures by the connection's trust policy or key", _REFERENCE),
                _command("where-deployed", "Show which version is deployed where", _REPOSITORY),
            ),
        )
    ]


def _command(name: str, text: str, *arguments: Arg) -> ActionCommand:
    function = name.replace("-", "_").replace("list", "list_modelkits")
    return ActionCommand(
        name=name,
        help=text,
        func=lazy_load_command(f"airflow_kitops.cli.commands.{function}"),
        args=(*arguments, _CONN_ID, _OUTPUT),
    )
