"""Movement between files and a registry, against other clients in the same run.

    python benchmarks/registry.py [--size-mib 1024] [--rounds 5] [--only FLOW …] [--write]

Everything is on this machine: Debian's docker-registry over HTTP and TLS, on loopback.  Each sample is a process
of its own; the clock starts when the client is imported.  The samples of a flow are interleaved, a table row is
the median, a goal is a ratio of medians.  ``--write`` puts the table into README.md.  Peers: skopeo, oras-py,
curl, sha256sum, and ``kit`` when it is on PATH.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import http.server
import json
import os
import re
import resource
import shutil
import socket
import socketserver
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
MIB = 1024 * 1024
LIMIT_BYTES_PER_SECOND = 100e6
MANY = 2000
QUIET_SHARE = 0.1
LIMIT = "sha256sum_and_cat"
SERVERS: list[int] = []
"""Processes that belong to the benchmark besides this one and its clients."""


@dataclass(frozen=True)
class Goal:
    """``ours`` may take at most ``ratio`` of what ``peer`` takes: ``seconds``, or ``cpu`` seconds."""

    ours: str
    peer: str
    ratio: float
    what: str = "seconds"

    def found(self, flow: Flow) -> float:
        """Return the ratio of the medians."""
        return median(flow, self.ours, self.what) / max(median(flow, self.peer, self.what), 1e-3)

    @property
    def told(self) -> str:
        """The peer, and what is compared where that is not the time."""
        return self.peer if self.what == "seconds" else f"{self.peer}'s CPU seconds"


@dataclass
class Flow:
    """Cases that do the same, and how they have to compare."""

    name: str
    title: str
    cases: list[str]
    options: dict[str, Any]
    goals: list[Goal]
    results: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Load:
    """Processor time so far, in seconds: of the whole machine, and of what this benchmark runs."""

    at: float
    busy: float
    ours: float

    @classmethod
    def now(cls) -> Load:
        """Read the kernel's counters."""
        fields = [int(text) for text in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
        ticks = os.sysconf("SC_CLK_TCK")
        times = os.times()
        ours = times.user + times.system + times.children_user + times.children_system
        for process in SERVERS:
            stat = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
            ours += (int(stat[11]) + int(stat[12])) / ticks
        idle = fields[3] + fields[4]
        return cls(time.monotonic(), (sum(fields[:8]) - idle) / ticks, ours)

    def foreign_share(self) -> float:
        """Return which share of the machine others used since then."""
        now = Load.now()
        seconds = max(now.at - self.at, 1e-3) * (os.cpu_count() or 1)
        return max(0.0, (now.busy - self.busy) - (now.ours - self.ours)) / seconds


def wait_for_quiet(patience_seconds: float) -> None:
    """Wait until others leave the machine alone, but not for ever."""
    end = time.monotonic() + patience_seconds
    while time.monotonic() < end:
        before = Load.now()
        time.sleep(0.4)
        if before.foreign_share() < QUIET_SHARE:
            return


class Bench:
    """The files, the registries and the samples of one run."""

    def __init__(self, folder: Path, size: int, rounds: int, *, tries: int, patience_seconds: float) -> None:
        self.folder = folder
        self.tries = tries
        self.patience_seconds = patience_seconds
        self.size = size
        self.rounds = rounds
        self.stack = contextlib.ExitStack()
        self._samples = 0
        self.path = folder / "layer.bin"
        self.digest = _write_random(self.path, size)
        self.environment = {
            **os.environ,
            "KITOPS_ORCHESTRATION_CACHE": str(folder / "cache"),
            "REGISTRY_AUTH_FILE": str(folder / "none.json"),
        }

    def sample(self, name: str, options: dict[str, Any]) -> dict[str, Any]:
        """Take a sample; one during which others used much of the machine is repeated, and the quietest counts."""
        best: dict[str, Any] = {}
        for _ in range(self.tries):
            wait_for_quiet(self.patience_seconds)
            before = Load.now()
            found = self._sample(name, options)
            found["foreign"] = before.foreign_share()
            if not best or found["foreign"] < best["foreign"]:
                best = found
            if found["foreign"] <= QUIET_SHARE:
                break
        return best

    def _sample(self, name: str, options: dict[str, Any]) -> dict[str, Any]:
        self._samples += 1
        out = self.folder / f"out-{self._samples}"
        if options.get("out_is_dir"):
            out.mkdir()
        command = [sys.executable, str(HERE / "registry_case.py"), name, json.dumps({**options, "out": str(out)})]
        before, begun = _children_seconds(), time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, env=self.environment, check=False)
        whole, used = time.perf_counter() - begun, _children_seconds() - before
        if done.returncode:
            raise SystemExit(f"{name}: {done.stderr[-2000:]}")
        if not options.get("is_many"):
            shutil.rmtree(out) if out.is_dir() else out.unlink(missing_ok=True)
        return {**json.loads(done.stdout.splitlines()[-1]), "whole": whole, "whole_cpu": used}

    def run(self, flow: Flow, *, clean: Callable[[], None]) -> None:
        for number in range(self.rounds):
            order = flow.cases if number % 2 == 0 else flow.cases[::-1]
            for name in order:
                flow.results.setdefault(name, []).append(self.sample(name, flow.options))
            clean()
        print_flow(flow)


def _children_seconds() -> float:
    """Return the processor seconds of all samples so far, with the programs that they started."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def print_flow(flow: Flow) -> None:
    print(f"\n{flow.title}")
    for name in flow.cases:
        samples = flow.results[name]
        seconds = [sample["seconds"] for sample in samples]
        peak = max(sample["peak_mib"] for sample in samples)
        foreign = statistics.median(sample["foreign"] for sample in samples)
        spread = f"(fastest {min(seconds):.3f}, slowest {max(seconds):.3f}, others {foreign:.0%}; "
        spread += f"CPU {median(flow, name, 'cpu'):.2f} s; as a whole process {median(flow, name, 'whole'):.3f} s, "
        spread += f"CPU {median(flow, name, 'whole_cpu'):.2f} s)"
        print(f"  {name:20} {statistics.median(seconds):8.3f} s   {spread}   {peak:6.0f} MiB")
    for goal in flow.goals:
        if goal.peer in flow.results:
            found = goal.found(flow)
            verdict = "met" if found <= goal.ratio else "MISSED"
            print(f"  {goal.ours} / {goal.told}: {found:.2f}, goal {goal.ratio}: {verdict}")
    sys.stdout.flush()


def median(flow: Flow, name: str, what: str = "seconds") -> float:
    return statistics.median(sample[what] for sample in flow.results[name])


def _write_random(path: Path, size: int) -> str:
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for _ in range(size // MIB):
            block = os.urandom(MIB)
            digest.update(block)
            file.write(block)
    return f"sha256:{digest.hexdigest()}"


@contextlib.contextmanager
def docker_registry(folder: Path, *, tls: tuple[Path, Path] | None = None) -> Iterator[str]:
    folder.mkdir(parents=True, exist_ok=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{probe.getsockname()[1]}"
    http_section: dict[str, Any] = {"addr": host, "secret": "bench"}
    if tls is not None:
        http_section["tls"] = {"certificate": str(tls[0]), "key": str(tls[1])}
    config = {
        "version": "0.1",
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(folder / "storage")}, "delete": {"enabled": True}},
        "http": http_section,
    }
    (folder / "config.yml").write_text(json.dumps(config))
    program = shutil.which("docker-registry") or sys.exit("docker-registry is not installed")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, "serve", str(folder / "config.yml")], stdout=log, stderr=log)
    SERVERS.append(process.pid)
    try:
        for _ in range(400):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", int(host.split(":")[1])), 1):
                break
            time.sleep(0.05)
        yield host
    finally:
        SERVERS.remove(process.pid)
        process.terminate()
        process.wait(10)


class ThrottledSource(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """Serves one blob, each connection at a limited speed; the bytes go out inside the kernel."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, path: Path) -> None:
        super().__init__(("127.0.0.1", 0), _ThrottledHandler)
        self.path = path
        self.host = f"127.0.0.1:{self.server_address[1]}"


class _ThrottledHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ThrottledSource

    def do_GET(self) -> None:
        size = self.server.path.stat().st_size
        match = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        start, end = (int(match[1]), int(match[2]) + 1) if match else (0, size)
        self.send_response(206 if match else 200)
        self.send_header("Content-Length", str(end - start))
        self.send_header("Content-Range", f"bytes {start}-{end - 1}/{size}")
        self.end_headers()
        self.wfile.flush()
        began = time.monotonic()
        with self.server.path.open("rb") as file:
            position = start
            while position < end:
                ahead = (position - start) / LIMIT_BYTES_PER_SECOND - (time.monotonic() - began)
                if ahead > 0:
                    time.sleep(ahead)
                position += os.sendfile(self.connection.fileno(), file.fileno(), position, min(MIB, end - position))

    def log_message(self, *arguments: Any) -> None:
        pass


def certificates(folder: Path) -> tuple[Path, tuple[Path, Path]]:
    import trustme

    (folder / "ca").mkdir()
    ca = trustme.CA()
    issued = ca.issue_cert("127.0.0.1", "localhost")
    paths = folder / "ca" / "ca.crt", folder / "server.pem", folder / "server.key"
    ca.cert_pem.write_to_path(str(paths[0]))
    issued.cert_chain_pems[0].write_to_path(str(paths[1]))
    issued.private_key_pem.write_to_path(str(paths[2]))
    return paths[0], paths[1:]


def seed(bench: Bench, host: str, repository: str, ca: Path | None = None) -> None:
    """Put the large layer, as a whole artifact, into a registry that flows pull from."""
    from registry_case import remote

    from kitops_orchestration.oci.copying.graph import copy
    from kitops_orchestration.oci.layout import LayoutRepository
    from kitops_orchestration.oci.reference import Reference

    layout = LayoutRepository(Reference.parse(f"file://{bench.folder}/layout"))
    if not (bench.folder / "layout").exists():
        from kitops_orchestration.oci.descriptor import Descriptor, Digest
        from kitops_orchestration.oci.manifest import Manifest
        from kitops_orchestration.oci.transfer.source import BytesSource, FileSource

        layer = Descriptor("application/octet-stream", Digest(bench.digest), bench.size)
        config = Descriptor("application/vnd.oci.empty.v1+json", Digest.of(b"{}"), 2)
        layout.push_blob(layer, FileSource(bench.path))
        layout.push_blob(config, BytesSource(b"{}"))
        layout.push_manifest(Manifest.build(config=config, layers=[layer]), tag="v1")
    copy(layout, "v1", remote({"host": host, "ca": str(ca) if ca else None}, repository), tag="v1")


def measure(bench: Bench, only: set[str]) -> list[Flow]:
    """Run the flows that were asked for, or all."""
    flows = []
    for name, measured in FLOWS.items():
        if not only or name in only:
            flow = measured(bench, name)
            flows.append(flow)
    return flows


def _peers(*names: str) -> list[str]:
    return [name for name in names if not name.startswith("kit") or shutil.which("kit")]


def _least(ours: str) -> Goal:
    """What reading, hashing and writing the bytes costs a processor, whoever does it."""
    return Goal(ours, LIMIT, 1.15, "cpu")


def _keep() -> None:
    """Leave the registry as it is.

    Flows of many files remove nothing between samples: for minutes an ext4 without a journal passes over the inodes of
    removed files one by one whenever a file is made, and the next sample would be timed for that.
    """


def _size(bench: Bench) -> str:
    return f"{bench.size / MIB / 1024:g} GiB"


def push(bench: Bench, name: str) -> Flow:
    with docker_registry(bench.folder / name) as host:
        seed(bench, host, "bench/layout")
        flow = Flow(
            name,
            f"push of one {_size(bench)} layer, hashing included",
            ["ours_push", *_peers("oras_push", "curl_push", "skopeo_push", "sha256sum", LIMIT)],
            {"host": host, "path": str(bench.path), "digest": bench.digest, "layout": str(bench.folder / "layout")},
            [Goal("ours_push", "oras_push", 0.75), Goal("ours_push", "curl_push", 1.1), _least("ours_push")],
        )
        bench.run(flow, clean=lambda: shutil.rmtree(bench.folder / name / "storage", ignore_errors=True))
    return flow


def pull(bench: Bench, name: str) -> Flow:
    with docker_registry(bench.folder / name) as host:
        seed(bench, host, "bench/pull")
        flow = Flow(
            name,
            f"pull of one {_size(bench)} blob, verified (curl and oras-py verify nothing)",
            ["ours_pull", *_peers("oras_pull", "curl_pull", "skopeo_pull"), LIMIT],
            {
                "host": host,
                "repository": "bench/pull",
                "digest": bench.digest,
                "size": bench.size,
                "path": str(bench.path),
            },
            [Goal("ours_pull", "oras_pull", 0.42), Goal("ours_pull", "curl_pull", 1.1), _least("ours_pull")],
        )
        bench.run(flow, clean=_keep)
    return flow


def _tls(bench: Bench, name: str) -> contextlib.AbstractContextManager[tuple[str, Path]]:
    @contextlib.contextmanager
    def run() -> Iterator[tuple[str, Path]]:
        folder = bench.folder / name
        folder.mkdir()
        ca, pair = certificates(folder)
        with docker_registry(folder, tls=pair) as host:
            yield host, ca

    return run()


def tls_push(bench: Bench, name: str) -> Flow:
    with _tls(bench, name) as (host, ca):
        seed(bench, host, "bench/layout", ca)
        flow = Flow(
            name,
            f"push of one {_size(bench)} layer over TLS, hashing included",
            ["ours_push", *_peers("oras_push", "curl_push", "skopeo_push")],
            {
                "host": host,
                "ca": str(ca),
                "path": str(bench.path),
                "digest": bench.digest,
                "layout": str(bench.folder / "layout"),
            },
            [Goal("ours_push", "oras_push", 0.6)],
        )
        bench.run(flow, clean=lambda: shutil.rmtree(bench.folder / name / "storage", ignore_errors=True))
    return flow


def tls_pull(bench: Bench, name: str) -> Flow:
    with _tls(bench, name) as (host, ca):
        seed(bench, host, "bench/pull", ca)
        flow = Flow(
            name,
            f"pull of one {_size(bench)} blob over TLS, verified",
            ["ours_pull", *_peers("oras_pull", "curl_pull", "skopeo_pull")],
            {"host": host, "ca": str(ca), "repository": "bench/pull", "digest": bench.digest, "size": bench.size},
            [Goal("ours_pull", "oras_pull", 0.6)],
        )
        bench.run(flow, clean=_keep)
    return flow


def _context(bench: Bench) -> Path:
    context = bench.folder / "context"
    if not context.exists():
        context.mkdir()
        for number in range(4):
            _write_random(context / f"part{number}.bin", bench.size // 4)
        parts = "".join(f"    - path: part{number}.bin\n" for number in range(1, 4))
        (context / "Kitfile").write_text(
            f"manifestVersion: 1.0.0\nmodel:\n  name: bench\n  path: part0.bin\n  parts:\n{parts}"
        )
    return context


def pack(bench: Bench, name: str) -> Flow:
    with docker_registry(bench.folder / name) as host:
        flow = Flow(
            name,
            f"pack and push of 4 layers from source files, {_size(bench)} together, no temporary file",
            ["ours_pack", *_peers("kit_pack_push", "oras_push_files")],
            {"host": host, "context": str(_context(bench))},
            [Goal("ours_pack", "kit_pack_push", 0.8), Goal("ours_pack", "oras_push_files", 0.8)],
        )
        bench.run(flow, clean=lambda: shutil.rmtree(bench.folder / name / "storage", ignore_errors=True))
    return flow


def unpack(bench: Bench, name: str) -> Flow:
    with docker_registry(bench.folder / name) as host:
        options = {"host": host, "context": str(_context(bench)), "repository": "bench/kit"}
        bench.sample("ours_pack", options)
        flow = Flow(
            name,
            f"pull and unpack of the same, every byte verified ({_size(bench)}; curl and oras-py verify nothing)",
            ["ours_unpack", *_peers("kit_unpack", "oras_unpack", "skopeo_unpack", "curl_unpack"), LIMIT],
            {**options, "out_is_dir": True, "path": str(bench.path)},
            [
                Goal("ours_unpack", "kit_unpack", 0.8),
                Goal("ours_unpack", "oras_unpack", 0.8),
                Goal("ours_unpack", "skopeo_unpack", 0.8),
                _least("ours_unpack"),
            ],
        )
        bench.run(flow, clean=_keep)
    return flow


def again(bench: Bench, name: str) -> Flow:
    with docker_registry(bench.folder / name) as host:
        flow = Flow(
            name,
            "the same a second time, nothing changed, in the same process",
            ["ours_pack_again", "ours_pack", *_peers("kit_pack_push")],
            {"host": host, "context": str(_context(bench))},
            [Goal("ours_pack_again", "kit_pack_push", 0.05), Goal("ours_pack_again", "ours_pack", 0.05)],
        )
        bench.run(flow, clean=lambda: shutil.rmtree(bench.folder / name / "storage", ignore_errors=True))
    return flow


def copy(bench: Bench, name: str) -> Flow:
    flow = Flow(name, "copy inside one registry: blob bodies moved", ["ours_copy"], {"host": ""}, [])
    flow.results["ours_copy"] = [bench.sample("ours_copy", flow.options)]
    print(f"\n{flow.title}: {flow.results['ours_copy'][0]['value']} (goal 0)", flush=True)
    return flow


def _small(bench: Bench) -> Path:
    folder = bench.folder / "small"
    if not folder.exists():
        folder.mkdir()
        for number in range(MANY):
            (folder / f"{number:05}").write_bytes(os.urandom(16 * 1024))
    return folder


def small_push(bench: Bench, name: str) -> Flow:
    with docker_registry(bench.folder / name) as host:
        flow = Flow(
            name,
            f"push of {MANY} layers of 16 KiB",
            ["ours_push_small", "oras_push_small"],
            {"host": host, "small": str(_small(bench)), "is_many": True},
            [Goal("ours_push_small", "oras_push_small", 0.45)],
        )
        bench.run(flow, clean=_keep)
    return flow


def small_pull(bench: Bench, name: str) -> Flow:
    with docker_registry(bench.folder / name) as host:
        options = {"host": host, "repository": "bench/small", "small": str(_small(bench))}
        options |= {"out_is_dir": True, "is_many": True}
        bench.sample("ours_push_small", options)
        flow = Flow(
            name,
            f"pull of {MANY} layers of 16 KiB, verified",
            ["ours_pull_small", "oras_pull_small"],
            options,
            [Goal("ours_pull_small", "oras_pull_small", 0.5)],
        )
        bench.run(flow, clean=_keep)
    return flow


def throttled(bench: Bench, name: str) -> Flow:
    server = ThrottledSource(bench.path)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    flow = Flow(
        name,
        f"pull of one {_size(bench)} blob, source limited to 100 MB/s per connection",
        ["ours_pull", "ours_single_stream"],
        {"host": server.host, "repository": "bench/slow", "digest": bench.digest, "size": bench.size},
        [Goal("ours_pull", "ours_single_stream", 0.25)],
    )
    bench.run(flow, clean=_keep)
    server.shutdown()
    return flow


def memory(bench: Bench, name: str) -> Flow:
    """One sample each: memory does not vary as time does."""
    size = 5 * bench.size
    path = bench.folder / "sparse.bin"
    with path.open("wb") as file:
        file.truncate(size)
    with path.open("rb") as file:
        digest = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    server = ThrottledSource(path)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    flow = Flow(name, f"peak memory with a layer of {size / MIB / 1024:g} GiB (goal 64 MiB)", [], {}, [])
    with docker_registry(bench.folder / name) as host:
        flow.results["push"] = [bench.sample("ours_push", {"host": host, "path": str(path)})]
        shutil.rmtree(bench.folder / name / "storage")
        flow.results["pack, 4 layers at once"] = [
            bench.sample("ours_pack", {"host": host, "context": str(_context(bench))})
        ]
    slow = {"host": server.host, "repository": "bench/slow", "digest": digest, "size": size}
    flow.results["pull, one stream"] = [bench.sample("ours_single_stream", slow)]
    flow.results["pull, eight ranges"] = [bench.sample("ours_pull", slow)]
    server.shutdown()
    flow.cases = list(flow.results)
    print_flow(flow)
    return flow


FLOWS: dict[str, Callable[[Bench, str], Flow]] = {
    function.__name__: function
    for function in (
        push,
        pull,
        tls_push,
        tls_pull,
        pack,
        unpack,
        again,
        copy,
        small_push,
        small_pull,
        throttled,
        memory,
    )
}


def write_readme(flows: list[Flow], arguments: argparse.Namespace) -> None:
    """Put the measured table between the markers of README.md."""
    lines = [
        "Measured " + f"{time.strftime('%Y-%m-%d')} on {os.cpu_count()} cores, {arguments.rounds} rounds, layer of "
        f"{arguments.size_mib} MiB; medians in seconds, peak memory of the client's process.",
        "",
        "| flow | client | seconds | fastest | CPU s | whole process s | its CPU s | memory MiB | ratio and goal |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for flow in flows:
        for name in flow.cases:
            samples = flow.results[name]
            seconds = [sample["seconds"] for sample in samples]
            goals = "; ".join(_verdict(flow, goal) for goal in flow.goals if goal.ours == name)
            peak = max(sample["peak_mib"] for sample in samples)
            value = samples[0]["value"]
            goals = goals or (f"{value} bodies" if value is not None else "")
            is_program = name.startswith(("curl", "skopeo", "kit", "sha256sum"))
            shown = "" if is_program else f"{peak:.0f}"
            median_seconds, fastest = statistics.median(seconds), min(seconds)
            more = " | ".join(f"{median(flow, name, what):.2f}" for what in ("cpu", "whole", "whole_cpu"))
            lines.append(
                f"| {flow.title} | {name} | {median_seconds:.2f} | {fastest:.2f} | {more} | {shown} | {goals} |"
            )
    path = HERE / "README.md"
    text = path.read_text(encoding="utf-8")
    head, _, rest = text.partition("<!-- registry -->")
    _, _, tail = rest.partition("<!-- /registry -->")
    path.write_text(head + "<!-- registry -->\n" + "\n".join(lines) + "\n<!-- /registry -->" + tail, encoding="utf-8")


def _verdict(flow: Flow, goal: Goal) -> str:
    if goal.peer not in flow.results:
        return f"{goal.peer}: not installed"
    found = goal.found(flow)
    sign = "met" if found <= goal.ratio else "**missed**"
    return f"{found:.2f} of {goal.told} (goal {goal.ratio}, {sign})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size-mib", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tries", type=int, default=3, help="samples taken until one is quiet")
    parser.add_argument("--patience", type=float, default=10, help="seconds to wait for a quiet machine")
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--write", action="store_true", help="put the results into benchmarks/README.md")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        size, patience = arguments.size_mib * MIB, arguments.patience
        bench = Bench(Path(name), size, arguments.rounds, tries=arguments.tries, patience_seconds=patience)
        with bench.stack:
            flows = measure(bench, set(arguments.only))
    if arguments.write:
        write_readme(flows, arguments)


if __name__ == "__main__":
    main()
