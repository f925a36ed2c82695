"""``python -m kitops_orchestration.testing.conformance``: see the folder's docstring.

Leaves with 0 when every case that could be tried is kept; 1 when one is broken, or when the registry or the program is
not there, which is no verdict about it; 2 for a wrong command line.
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
from kitops_orchestration.errors import InvalidReferenceError, KitOpsError
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.presentation import terminal
from kitops_orchestration.presentation.text import printable
from kitops_orchestration.testing.conformance import cosign_cases, kit_cases, registry_cases
from kitops_orchestration.testing.conformance.case import Case, Report, play
from kitops_orchestration.testing.conformance.place import Place
from kitops_orchestration.testing.conformance.program import Program
from kitops_orchestration.testing.registry.server import EmbeddedRegistry


def main(arguments: Sequence[str] | None = None) -> int:
    """Try what the arguments name, print the report, and return the exit status."""
    parser = _parser()
    asked = parser.parse_args(arguments)
    _as_url(parser, asked)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kitops-conformance-")))
        prefix = asked.registry or f"{stack.enter_context(EmbeddedRegistry()).host}/conformance"
        try:
            client = KitClient(plain_http=True if asked.plain_http else None)
            plain = asked.plain_http or prefix.startswith(("127.", "localhost", "[::1]"))
            place = Place(client, prefix, folder, plain, secrets.token_hex(4))
            if asked.registry:
                place.must_answer()
                stack.callback(_clean_up, place)  # also where somebody stops it in between
            against, cases = _chosen(asked, place)
            chosen = [case for case in cases if asked.only in case.promise]
            if not chosen:
                parser.error(f"no case has {asked.only!r} in its promise; without --only the report lists them")
            report = Report(tuple(play(chosen)), against)
        except KitOpsError as error:
            return _not_tried(error, as_json=asked.json)
    text = json.dumps(report.to_json(), indent=2) if asked.json else terminal.render(report.page())
    sys.stdout.write(f"{text}\n")
    return 0 if report.is_conformant else 1


def _as_url(parser: argparse.ArgumentParser, asked: argparse.Namespace) -> None:
    """Take the address of a registry as people have it; without a path, repositories are made below ``conformance``."""
    if asked.registry is None:
        return
    for scheme in ("http://", "https://"):
        if asked.registry.startswith(scheme):
            asked.plain_http |= scheme == "http://"
            asked.registry = asked.registry.removeprefix(scheme)
    asked.registry = asked.registry.rstrip("/")
    if asked.registry.startswith("file://"):
        if asked.kit or asked.cosign:
            parser.error("the Kit CLI and cosign speak to no folder: give --registry HOST/PATH, or leave it out")
    elif "/" not in asked.registry:
        asked.registry += "/conformance"
    try:
        Reference.parse(f"{asked.registry}/any")
    except InvalidReferenceError as error:
        parser.error(f"--registry: {error}; give HOST/PATH, or file:///FOLDER")


def _not_tried(error: KitOpsError, *, as_json: bool) -> int:
    if as_json:
        answer = {"error": type(error).__name__, "message": str(error), "advice": error.advice}
        sys.stdout.write(f"{json.dumps({**answer, 'transient': error.transient}, indent=2)}\n")
    sys.stderr.write(f"{printable(str(error))}\n")
    if error.advice:
        sys.stderr.write(f"  what to do: {printable(error.advice)}\n")
    return 1


def _clean_up(place: Place) -> None:
    if left := place.clean_up():
        names = f"{place.prefix}/{place.run_id}-*"
        sys.stderr.write(f"the registry kept the tags of {len(left)} repositories; they are called {names}\n")


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
    parser.add_argument(
        "--registry",
        metavar="URL",
        help="HOST/PATH, also with http:// or https://: where repositories are made; else one in memory is tried",
    )
    parser.add_argument("--plain-http", action="store_true", help="the registry speaks no TLS; known of loopback")
    parser.add_argument("--kit", metavar="PROGRAM", help="a Kit CLI: a path, or a name on PATH")
    parser.add_argument("--cosign", metavar="PROGRAM", help="a cosign")
    parser.add_argument("--only", metavar="TEXT", default="", help="only cases whose promise has this text in it")
    parser.add_argument("--json", action="store_true", help="print the report as one JSON object")
    return parser


if __name__ == "__main__":
    sys.exit(main())
