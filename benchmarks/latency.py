"""What each verb takes at a registry that is far away: requests, rounds and seconds through a delaying proxy.

    python benchmarks/latency.py [--delay-ms 20] [--rounds 3] [--registry docker|api] [--write] [--trace VERB...]

A proxy on loopback keeps each request for the time that the way would take, and passes it on.  A round is a request
that began after the one before it had ended: what a verb has to wait for.  The process is warm, as an orchestrator's
worker is, and the ModelKit is small, with a test result, a provenance, a signature and an approval.  ``docker`` is
Debian's docker-registry, which keeps referrers at a tag; ``api`` is the embedded registry with the referrers API.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import http.server
import itertools
import os
import re
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
_OF_A_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}
KITFILE = "manifestVersion: 1.0.0\npackage: {name: iris, version: 1.0.0}\nmodel: {name: iris, path: model.skops}\n"
ROLES = {"bob": ["builder"], "rita": ["releaser"], "eve": ["evaluator"], "ann": ["risk", "approver"]}
CHECKS = [
    {"signature": {}},
    {"metric": {"name": "accuracy", "min": "0.5"}},
    {"approvals": {"roles": ["risk"]}},
]


class DelayingProxy(http.server.ThreadingHTTPServer):
    """Passes requests on after a pause, and notes on a clock of its own when each began and ended."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, host: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = host
        self.host = f"127.0.0.1:{self.server_address[1]}"
        self.delay_seconds = 0.0
        self.spans: list[tuple[int, int]] = []
        self.asked: list[tuple[int, int, str]] = []
        """The same, with method and path."""
        self.ticks = itertools.count()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that hang up; anything else shows in what the verb raises."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: DelayingProxy
    disable_nagle_algorithm = True
    _behind: http.client.HTTPConnection | None = None

    def _pass_on(self) -> None:
        server = self.server
        begun = next(server.ticks)
        time.sleep(server.delay_seconds)
        try:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, headers, content = self._ask(body)
        finally:
            span = (begun, next(server.ticks))
            server.spans.append(span)
            server.asked.append((*span, f"{self.command} {self.path}"))
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in _OF_A_HOP:
                self.send_header(name, value.replace(f"http://{server.target}", f"http://{server.host}"))
        is_head = self.command == "HEAD"
        length = next((value for name, value in headers if name.lower() == "content-length"), None)
        if status != 204:
            self.send_header("Content-Length", length or "0" if is_head else str(len(content)))
        self.end_headers()
        if not is_head:
            self.wfile.write(content)

    def _ask(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = self._behind
        if connection is None:
            connection = self._behind = http.client.HTTPConnection(self.server.target, timeout=60)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _OF_A_HOP}
        connection.request(self.command, self.path, body or None, headers)
        answer = connection.getresponse()
        return answer.status, answer.getheaders(), answer.read()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self._pass_on
        raise AttributeError(name)

    def finish(self) -> None:
        super().finish()
        if self._behind is not None:
            self._behind.close()

    def log_message(self, *arguments: Any) -> None:
        pass


def depth(spans: list[tuple[int, int]]) -> int:
    """Return the length of the longest chain of requests that follow each other."""
    ended: list[tuple[int, int]] = []
    for begun, end in sorted(spans):
        ended.append((end, 1 + max((deep for before, deep in ended if before < begun), default=0)))
    return max((deep for _, deep in ended), default=0)


def trace(asked: list[tuple[int, int, str]]) -> str:
    """Return one line for each request: the round that it began in, how often it was asked by then, and what it was."""
    ended: list[tuple[int, int]] = []
    counted: dict[str, int] = {}
    lines = []
    for begun, end, what in sorted(asked):
        deep = 1 + max((deep for before, deep in ended if before < begun), default=0)
        ended.append((end, deep))
        text = re.sub(r"(sha256[:-][0-9a-f]{6})[0-9a-f]{58}|_state=[^&]*&?", r"\1", what)
        counted[what] = counted.get(what, 0) + 1
        lines.append(f"{deep:4d} {'' if counted[what] == 1 else f'#{counted[what]}':3s} {text}")
    return "\n".join(lines)


@dataclass
class Sample:
    """What one verb took once."""

    requests: int
    rounds: int
    seconds: float
    cpu_seconds: float


class Place:
    """A ModelKit in a registry behind the proxy, and the people who decide about it."""

    def __init__(self, proxy: DelayingProxy, folder: Path, number: int) -> None:
        import yaml

        from kitops_orchestration import KitClient
        from kitops_orchestration.lineage.statements import Metric, TestResult, provenance
        from kitops_orchestration.modelkit import GateRules
        from kitops_orchestration.oci.auth.credentials import StaticCredentials
        from kitops_orchestration.promotion.rules.policy import PromotionPolicy
        from kitops_orchestration.signing.keys import generate_key_pair
        from kitops_orchestration.signing.trust import TrustPolicy

        self.proxy = proxy
        self.keys = {name: generate_key_pair(key_format="pkcs8") for name in ROLES}
        self.client = KitClient(proxy.host, credentials=StaticCredentials({}))
        people = [
            {"id": name, "roles": roles, "keys": [{"publicKey": self.keys[name].public_key.pem}]}
            for name, roles in ROLES.items()
        ]
        trust = folder / f"trust{number}.yaml"
        trust.write_text(yaml.safe_dump({"version": 1, "identities": people}))
        stages = {"production": {"destination": f"{proxy.host}/prod{number}/{{name}}", "checks": CHECKS}}
        self.policy = PromotionPolicy.parse(yaml.safe_dump({"version": 1, "stages": stages}))
        self.rules = {"stage": "production", "policy": self.policy, "trust": TrustPolicy.load(trust)}
        kit = folder / f"kit{number}"
        kit.mkdir()
        (kit / "Kitfile").write_text(KITFILE)
        (kit / "model.skops").write_text(f"weights {number}")
        self.name = f"staging{number}/iris:1.0.0"
        packed = self.client.pack(kit, self.name, gate_rules=GateRules(on_content="warn"))
        result = TestResult("PASSED", metrics=(Metric("accuracy", "0.95"),), created_on="2026-01-01T00:00:00Z")
        self.client.attach(self.name, result, signer=self.keys["eve"].signer)
        self.client.attach(self.name, provenance(packed), signer=self.keys["bob"].signer)

    def verbs(self) -> Iterator[tuple[str, Callable[[], Any]]]:
        """Yield what is measured, in the order in which it happens to a ModelKit."""
        client, keys = self.client, self.keys
        promote = {**self.rules, "signer": keys["rita"].signer}
        approve = {"stage": "production", "policy": self.policy, "signer": keys["ann"].signer}
        yield "inspect", lambda: client.inspect(self.name)
        yield "sign", lambda: client.sign(self.name, keys["rita"].signer)
        yield "verify", lambda: client.verify(self.name, key=keys["rita"].public_key)
        yield "approve", lambda: client.approve(self.name, **approve)
        yield "plan", lambda: client.plan(self.name, **self.rules)
        yield "promote", lambda: client.promote(self.name, **promote)
        yield "promote, again", lambda: client.promote(self.name, **promote)

    def sample(self, call: Callable[[], Any], delay_seconds: float) -> Sample:
        """Make one call at the distance."""
        proxy = self.proxy
        proxy.spans.clear()
        proxy.asked.clear()
        proxy.delay_seconds = delay_seconds
        before, cpu = time.perf_counter(), time.process_time()
        try:
            call()
        finally:
            seconds, used = time.perf_counter() - before, time.process_time() - cpu
            proxy.delay_seconds = 0.0
        return Sample(len(proxy.spans), depth(list(proxy.spans)), seconds, used)


@contextlib.contextmanager
def registry(kind: str, folder: Path) -> Iterator[str]:
    """Run a registry, and give its host."""
    if kind == "docker":
        sys.path.insert(0, str(HERE))
        from registry import docker_registry

        with docker_registry(folder / "registry") as host:
            yield host
        return
    from kitops_orchestration.testing.registry import EmbeddedRegistry

    with EmbeddedRegistry() as embedded:
        yield embedded.host


def measure(kind: str, rounds: int, delay_seconds: float, traced: Collection[str] = ()) -> dict[str, list[Sample]]:
    """Take each verb on so many ModelKits, one after another."""
    found: dict[str, list[Sample]] = {}
    with tempfile.TemporaryDirectory(prefix="bench-") as name, registry(kind, Path(name)) as host:
        os.environ["KITOPS_ORCHESTRATION_CACHE"] = f"{name}/cache"
        proxy = DelayingProxy(host)
        threading.Thread(target=proxy.serve_forever, args=(0.05,), daemon=True).start()
        try:
            for number in range(rounds + 1):
                place = Place(proxy, Path(name), number)
                for verb, call in place.verbs():
                    sample = place.sample(call, delay_seconds)
                    if number == rounds and verb in traced:
                        print(f"{kind}: {verb}\n{trace(list(proxy.asked))}\n")
                    if number:  # the first is for the imports
                        found.setdefault(verb, []).append(sample)
        finally:
            proxy.shutdown()
            proxy.server_close()
    return found


def table(found: dict[str, dict[str, list[Sample]]], rounds: int, delay_ms: float) -> str:
    """Return the measurements as Markdown."""
    lines = [
        f"Measured {time.strftime('%Y-%m-%d')} on {os.cpu_count()} cores, {rounds} samples, {delay_ms:g} ms a request.",
        "",
        "| registry | verb | requests | rounds | seconds | CPU seconds, those of the proxy included |",
        "|---|---|---|---|---|---|",
    ]
    for kind, verbs in found.items():
        for verb, samples in verbs.items():
            shown = [
                f"{statistics.median_low([sample.requests for sample in samples])}",
                f"{statistics.median_low([sample.rounds for sample in samples])}",
                f"{statistics.median(sample.seconds for sample in samples):.2f}",
                f"{statistics.median(sample.cpu_seconds for sample in samples):.2f}",
            ]
            lines.append(f"| {kind} | {verb} | {' | '.join(shown)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, print, and put the table into README.md on request."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--delay-ms", type=float, default=20.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--registry", nargs="*", choices=("docker", "api"), default=["docker", "api"])
    parser.add_argument("--write", action="store_true", help="put the results into benchmarks/README.md")
    parser.add_argument("--trace", nargs="*", default=[], help="verbs of which every request is shown, as 'promote'")
    arguments = parser.parse_args()
    delay = arguments.delay_ms / 1000
    found = {kind: measure(kind, arguments.rounds, delay, arguments.trace) for kind in arguments.registry}
    text = table(found, arguments.rounds, arguments.delay_ms)
    print(text)
    if arguments.write:
        path = HERE / "README.md"
        head, _, rest = path.read_text(encoding="utf-8").partition("<!-- latency -->")
        _, _, tail = rest.partition("<!-- /latency -->")
        path.write_text(f"{head}<!-- latency -->\n{text}\n<!-- /latency -->{tail}", encoding="utf-8")


if __name__ == "__main__":
    main()
