"""The entry point: a group that imports a verb's module only when the verb is called."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING

import click

from kitops_orchestration._version import __version__
from kitops_orchestration.cli.kit_words import VERBS as VERBS_OF_KIT
from kitops_orchestration.cli.kit_words import add_key_of_kit, explained, in_our_words
from kitops_orchestration.cli.output.characters import escape_what_has_no_sign
from kitops_orchestration.cli.output.failure import (
    report_bug,
    report_expected,
    report_stopped,
    report_system,
    report_unwritable_name,
    report_usage,
)
from kitops_orchestration.disk.bytecode import MAY_BE_CUT, remove_cut_bytecode
from kitops_orchestration.errors import KitOpsError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

SECTIONS: dict[str, dict[str, str]] = {
    "Make and move": {
        "init": "Write a Kitfile for a directory.",
        "import": "Pack a model of the Hugging Face Hub or a git repository.",
        "pack": "Pack a directory as a ModelKit.",
        "scan": "Look for secrets and broken files, in a directory or a ModelKit.",
        "unpack": "Unpack a ModelKit, or parts of it, into a directory.",
        "push": "Copy a ModelKit to a registry.",
        "pull": "Copy a ModelKit from a registry to a folder.",
        "copy": "Copy a ModelKit between any two registries or folders.",
        "tag": "Point another tag at a ModelKit.",
        "index": "Put several ModelKits under one tag.",
        "remove": "Take a tag away.",
        "retain": "Let old versions go, never one in use.",
        "prune": "Free what no tag leads to in a folder registry.",
        "save": "Write ModelKits and evidence into one file.",
        "load": "Bring such a file into a repository.",
    },
    "Look": {
        "list": "List the ModelKits of a repository.",
        "inspect": "Show manifest, Kitfile and layers.",
        "info": "Show the Kitfile, or one field of it.",
        "validate": "Check everything that a ModelKit promises.",
        "diff": "Show what differs between two ModelKits.",
        "lineage": "Show what made a ModelKit and where it went.",
        "training-data": "Show what data a ModelKit was trained on.",
        "sign-offs": "Show who approved a ModelKit, and whether it counts.",
        "timeline": "Show what happened in a repository, in order.",
        "passport": "Show all that is known of a ModelKit on one page.",
        "where-deployed": "Show which version is deployed where.",
        "catalog": "Make a static site about the ModelKits of a registry.",
    },
    "MLflow": {
        "export-run": "Export an MLflow run or model as a ModelKit.",
        "import-model": "Register a ModelKit in MLflow.",
        "serve": "Run a ModelKit's model on this machine.",
        "smoke-test": "Check that a packed model loads and predicts.",
    },
    "Vouch": {
        "keygen": "Make a key pair to sign with.",
        "public-key": "Print the public half of a key.",
        "sign": "Sign a ModelKit, in the forms of cosign.",
        "verify": "Verify signatures, offline.",
        "attest": "Attach a report as evidence.",
        "checkpoint": "Sign what a repository holds, so that nothing is taken away unseen.",
    },
    "Promote and deploy": {
        "plan": "Show what a promotion would do, and whether it may.",
        "approve": "Approve a digest for a stage.",
        "reject": "Reject a digest for a stage.",
        "revoke": "Take an approval back.",
        "overrule": "Take back what others refused.",
        "promote": "Copy by digest to a stage and move its tag last.",
        "rollback": "Put an older ModelKit back into a stage.",
        "status": "Show what the stages hold.",
        "freeze": "Close a stage, or open it again.",
        "deploy": "Write what another system runs, pinned to the digest.",
        "record-deployment": "Record that a ModelKit went into service.",
        "init-container": "Fetch a ModelKit before a container starts.",
    },
    "This machine": {
        "login": "Check and keep credentials for a registry.",
        "logout": "Forget the credentials for a registry.",
        "doctor": "Check registry, credentials, clock, disk and extras.",
        "cache": "Show, prune or clear what is cached on this machine.",
        "completion": "Print the completion script of a shell.",
        "version": "Show the versions of this program and of what it uses.",
    },
}
"""Every verb and its short help, so that ``kitctl --help`` imports none of their modules."""

VERBS: dict[str, str] = {verb: text for section in SECTIONS.values() for verb, text in section.items()}

_FOLDERS = {
    "Make and move": "make",
    "Look": "look",
    "MLflow": "mlflow",
    "Vouch": "vouch",
    "Promote and deploy": "promote",
    "This machine": "machine",
}
_MODULES = {"import": "import_source"}
"""Verbs whose module cannot have their name, which is a word of Python's own."""

_FORMER = {"export": "save", "import-layout": "load"}
"""Names that verbs had before; they are taken for one version more, and shown nowhere."""

_MLFLOW_ONLY = ("export-run", "import-model")
"""Verbs that read from MLflow and write to it, and run no model."""


def module_of(verb: str) -> ModuleType:
    """Import the module of a verb; it has one ``command``."""
    section = next(section for section, verbs in SECTIONS.items() if verb in verbs)
    name = _MODULES.get(verb, verb.replace("-", "_"))
    return importlib.import_module(f"kitops_orchestration.cli.commands.{_FOLDERS[section]}.{name}")


class LazyGroup(click.Group):
    """A click group whose commands are modules in ``kitops_orchestration.cli.commands``, each with one ``command``."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - the signature is click's
        """Return the verbs in the order of a ModelKit's life."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - the signature is click's
        """Import and return one verb."""
        verb = _FORMER.get(cmd_name, cmd_name)
        if verb not in VERBS:
            return None
        command: click.Command = module_of(verb).command
        add_key_of_kit(command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb; for a name that is none say which ones are close."""
        name = args[0] if args else ""
        if name and name not in VERBS and name not in _FORMER and not name.startswith("-"):
            if name in VERBS_OF_KIT:
                raise click.UsageError(f"there is no verb {name!r}: {VERBS_OF_KIT[name]}", ctx)
            import difflib

            close = difflib.get_close_matches(name, VERBS, n=3, cutoff=0.5)
            hint = f"; did you mean {' or '.join(close)}?" if close else ""
            raise click.UsageError(f"there is no verb {name!r}{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - the signature is click's
        """Write the list of verbs from their short help alone."""
        width = max(map(len, VERBS))
        for title, verbs in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(verb.ljust(width), text) for verb, text in verbs.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Offer the verbs without importing their modules."""
        from click.shell_completion import CompletionItem

        verbs = [CompletionItem(verb, help=text) for verb, text in VERBS.items() if verb.startswith(incomplete)]
        return verbs or click.Command.shell_complete(self, ctx, incomplete)


@click.group(
    cls=LazyGroup,
    subcommand_metavar="VERB [ARGS]...",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, message="kitctl %(version)s")
@click.option("-v", "--verbose", is_flag=True, help="Show tracebacks of errors; may stand anywhere.")
def cli(verbose: bool) -> None:
    """KitOps ModelKits at the terminal: pack, move, promote and trace them.

    A reference is registry/repository:tag, or file:///folder/repository:tag for a folder registry.

    kitctl pack . -t file:///data/models/iris:v1
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run ``kitctl`` and leave the process with the exit code of the package's docstring."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    escape_what_has_no_sign()
    if arguments and arguments[0] in _MLFLOW_ONLY and not {"-h", "--help"} & set(arguments):
        from kitops_orchestration.mlflow_bridge.runs.light_import import import_without_frames

        import_without_frames()
    try:
        exit_code = _run(arguments)
    finally:
        # Whatever the verb was: the disk may have been full already when this program began to import.
        if MAY_BE_CUT and not sys.dont_write_bytecode:
            remove_cut_bytecode()
    sys.exit(exit_code)


def _run(arguments: list[str]) -> int:
    arguments, is_verbose = in_our_words(arguments)
    as_json = "--json" in arguments
    try:
        answer = cli.main(args=arguments, prog_name="kitctl", standalone_mode=False)
    except click.Abort as error:
        return report_stopped(error, as_json=as_json)
    except click.ClickException as error:
        return report_usage(explained(error), as_json=as_json)
    except KitOpsError as error:
        return report_expected(error, as_json=as_json, is_verbose=is_verbose)
    except OSError as error:
        return report_system(error, as_json=as_json, is_verbose=is_verbose)
    except UnicodeEncodeError as error:
        told = report_unwritable_name(error, as_json=as_json, is_verbose=is_verbose)
        return report_bug(error, as_json=as_json, is_verbose=is_verbose) if told is None else told
    except Exception as error:  # noqa: BLE001 - the last line of defence: a bug is named as one, once
        return report_bug(error, as_json=as_json, is_verbose=is_verbose)
    return answer if isinstance(answer, int) else 0  # outside of standalone mode click returns what exit() got
