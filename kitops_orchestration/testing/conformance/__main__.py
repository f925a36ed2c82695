"""``python -m kitops_orchestration.testing.conformance``: see the folder's docstring.

Leaves with 0 when every case that could be tried is kept, 1 when one is broken or none could be tried, 2 for a wrong
command line.
"""

from __future__ import annotations

import argparse
import json
import secrets
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from kitops_orchestration.client import KitClient
from kitops_orchestration.errors import KitOpsError
from kitops_orchestration.presentation import terminal
from kitops_orchestration.testing.conformance import cosign_cases, kit_cases, registry_cases
from kitops_orchestration.testing.conformance.case import Case, Report, play
from kitops_orchestration.testing.conformance.place import Place
from kitops_orchestration.testing.conformance.program import Program
from kitops_orchestration.testing.registry.server import EmbeddedRegistry


def main(arguments: Sequence[str] | None = None) -> int:
    """Try what the arguments name, print the report, and return the exit status."""
    asked = _parser().parse_args(arguments)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kitops-conformance-")))
        prefix = asked.registry or f"{stack.enter_context(EmbeddedRegistry()).host}/conformance"
        try:
            client = KitClient(plain_http=True if asked.plain_http else None)
            plain = asked.plain_http or prefix.startswith(("127.", "localhost", "[::1]"))
            place = Place(client, prefix, folder, plain, secrets.token_hex(4))
            if asked.registry:
                stack.callback(_clean_up, place)  # also where somebody stops it in between
            against, cases = _chosen(asked, place)
            report = Report(tuple(play(case for case in cases if asked.only in case.promise)), against)
        except KitOpsError as error:
            sys.stderr.write(f"{error}\n")
            return 1
    text = json.dumps(report.to_json(), indent=2) if asked.json else terminal.render(report.page())
    sys.stdout.write(f"{text}\n")
    return 0 if report.is_conformant else 1


def _clean_up(place: Place) -> None:
    if left := place.clean_up():
        sys.stderr.write(f"the registry kept the tags of {', '.join(left)}\n")


def _chosen(asked: argparse.Namespace, place: Place) -> tuple[dict[str, str], list[Case]]:
    against = {"registry": asked.registry or "embedded"}
    found: list[Iterator[Case]] = []
    if asked.registry or not (asked.kit or asked.cosign):
        found.append(registry_cases.cases(place))
    if asked.kit:
        kit = Program(asked.kit, {"KITOPS_HOME": str(place.folder / "kit-home")})
        against["kit"] = kit.version()
        found.append(kit_cases.cases(place, kit))
    if asked.cosign:
        cosign = Program(asked.cosign, {"COSIGN_PASSWORD": cosign_cases.PASSWORD})
        against["cosign"] = cosign.version()
        found.append(cosign_cases.cases(place, cosign))
    return against, [case for some in found for case in some]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m kitops_orchestration.testing.conformance", description=__doc__)
    parser.add_argument("--registry", metavar="HOST/PATH", help="make repositories under it; else a registry in memory")
    parser.add_argument("--plain-http", action="store_true", help="the registry speaks no TLS; known of loopback")
    parser.add_argument("--kit", metavar="PROGRAM", help="a Kit CLI: a path, or a name on PATH")
    parser.add_argument("--cosign", metavar="PROGRAM", help="a cosign")
    parser.add_argument("--only", metavar="TEXT", default="", help="only cases whose promise has this text in it")
    parser.add_argument("--json", action="store_true", help="print the report as one JSON object")
    return parser


if __name__ == "__main__":
    sys.exit(main())
