"""The entry point: a group that imports a verb's module only when the verb is called."""

from __future__ import annotations

import importlib
import json
import keyword
import sys
import traceback
from collections.abc import Sequence
from typing import Any

import click

from kitops_orchestration._version import __version__
from kitops_orchestration.errors import KitOpsError

EXIT_EXPECTED, EXIT_USAGE, EXIT_BUG = 1, 2, 70

VERBS: dict[str, str] = {
    "pack": "Pack a directory as a ModelKit.",
    "unpack": "Unpack a ModelKit, or parts of it, into a directory.",
    "push": "Copy a ModelKit to a registry.",
    "pull": "Copy a ModelKit from a registry to a folder.",
    "copy": "Copy a ModelKit between any two registries or folders.",
    "tag": "Point another tag at a ModelKit.",
    "list": "List the ModelKits of a repository.",
    "inspect": "Show manifest, Kitfile and layers.",
    "diff": "Show what changed between two ModelKits.",
    "export-run": "Export an MLflow run or model as a ModelKit.",
    "keygen": "Make a key pair to sign with.",
    "sign": "Sign a ModelKit; cosign verifies it.",
    "verify": "Verify signatures, offline.",
    "attest": "Attach a report as evidence.",
    "lineage": "Show what made a ModelKit and where it went.",
    "plan": "Show what a promotion would do, and whether it may.",
    "approve": "Approve a digest for a stage.",
    "reject": "Reject a digest for a stage.",
    "revoke": "Take an approval back.",
    "promote": "Copy by digest to a stage and move its tag last.",
    "rollback": "Put an older ModelKit back into a stage.",
    "status": "Show what the stages hold.",
    "freeze": "Close a stage, or open it again.",
    "record-deployment": "Record that a ModelKit went into service.",
    "where-deployed": "Show which version is deployed where.",
    "init-container": "Fetch a ModelKit before a container starts.",
    "export": "Write ModelKits and evidence into one file.",
    "import-layout": "Bring such a file into a repository.",
    "version": "Show the version.",
}
"""Every verb and its short help, so that ``kitctl --help`` imports none of their modules."""


class LazyGroup(click.Group):
    """A click group whose commands are modules ``kitops_orchestration.cli.<verb>``, each with one ``command``."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - the signature is click's
        """Return the verbs in the order of a ModelKit's life."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - the signature is click's
        """Import and return one verb."""
        if cmd_name not in VERBS:
            return None
        name = cmd_name.replace("-", "_")
        suffix = "_" if keyword.iskeyword(name) else ""
        module = importlib.import_module(f"kitops_orchestration.cli.{name}{suffix}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - the signature is click's
        """Write the list of verbs from their short help alone."""
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="kitctl %(version)s")
@click.option("-v", "--verbose", is_flag=True, help="Show tracebacks of errors.")
@click.pass_context
def cli(ctx: click.Context, verbose: bool) -> None:
    """KitOps ModelKits at the terminal: pack, move, promote and trace them.

    A reference is registry/repository:tag, or file:///folder/repository:tag for a folder registry.
    """
    ctx.obj = {"verbose": verbose}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run ``kitctl`` and leave the process with the exit code of the module's docstring."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    sys.exit(_run(arguments))


def _run(arguments: list[str]) -> int:
    verbose = "-v" in arguments or "--verbose" in arguments
    try:
        cli.main(args=arguments, prog_name="kitctl", standalone_mode=False)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.Abort:
        click.echo("kitctl: stopped", err=True)
        return EXIT_EXPECTED
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except KitOpsError as error:
        _report(error, as_json="--json" in arguments, verbose=verbose)
        return EXIT_EXPECTED
    except Exception as error:  # noqa: BLE001 - the last line of defence: a bug is named as one, once
        click.echo(f"kitctl: this is a bug: {type(error).__name__}: {error}", err=True)
        click.echo("  what to do: run again with -v and report the traceback", err=True)
        if verbose:
            traceback.print_exc()
        return EXIT_BUG
    return 0


def _report(error: KitOpsError, *, as_json: bool, verbose: bool) -> None:
    if verbose:
        traceback.print_exception(error)
    if as_json:
        answer: dict[str, Any] = {"error": type(error).__name__, "message": str(error), "advice": error.advice}
        answer["transient"] = error.transient
        click.echo(json.dumps(answer, ensure_ascii=False))
    click.echo(f"kitctl: {error}", err=True)
    if error.advice:
        click.echo(f"  what to do: {error.advice}", err=True)
