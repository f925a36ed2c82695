"""What the gate costs: a pack of many small files with it and without it, in turns.

    python benchmarks/gate.py                 # 10,000 files of 2 KiB, as text, as source and as binaries

CPU seconds of this process; the smallest of the rounds, because others on the machine only ever add.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from kitops_orchestration.modelkit import pack as packing
from kitops_orchestration.modelkit.kitfile import Kitfile
from kitops_orchestration.modelkit.packing.gate import GateReport
from kitops_orchestration.oci.layout import LayoutRepository
from kitops_orchestration.oci.reference import Reference, folder_registry

KITFILE = Kitfile.parse("manifestVersion: 1.0.0\ncode: [{path: .}]\n")
FILE_BYTES = 2048


def table(chosen: random.Random) -> bytes:
    return "".join(f"{number},{chosen.random()},row {number}\n" for number in range(80)).encode()


def source(chosen: random.Random) -> bytes:
    line = "    token = tokenizer.encode(batch['text'], max_tokens={0})  # the key of step_{0}\n"
    return "".join(line.format(chosen.randrange(1000)) for _ in range(40)).encode()


def binary(chosen: random.Random) -> bytes:
    return b"\0" + chosen.randbytes(FILE_BYTES)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--files", type=int, default=10_000)
    options.add_argument("--rounds", type=int, default=3)
    arguments = options.parse_args()
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    print(f"{'':10}{'with':>8}{'without':>9}{'ratio':>7}{'us/file':>9}")
    for make in (table, source, binary):
        with tempfile.TemporaryDirectory() as name:
            os.environ["KITOPS_ORCHESTRATION_CACHE"] = f"{name}/cache"
            measure(make, Path(name), arguments.files, arguments.rounds)


def measure(make: Callable[[random.Random], bytes], base: Path, files: int, rounds: int) -> None:
    chosen = random.Random(1)
    for number in range(files):
        path = base / "context" / str(number % 100) / f"{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(make(chosen)[:FILE_BYTES])
    gates: dict[str, Callable[..., GateReport]] = {"with": packing.check_gate, "without": lambda *_, **__: GateReport()}
    seconds: dict[str, list[float]] = {name: [] for name in gates}
    for _ in range(rounds):
        for name, gate in gates.items():
            packing.check_gate = gate
            seconds[name].append(seconds_of(base))
    packing.check_gate = gates["with"]
    best = {name: min(found) for name, found in seconds.items()}
    cost = (best["with"] - best["without"]) / files * 1e6
    ratio = best["with"] / best["without"]
    print(f"{make.__name__:10}{best['with']:8.2f}{best['without']:9.2f}{ratio:7.2f}{cost:9.0f}")


def seconds_of(base: Path) -> float:
    repository = LayoutRepository(Reference(folder_registry(base / "registry"), "bench"))
    started = time.process_time()
    packing.pack(base / "context", repository, kitfile=KITFILE, use_cache=False)
    seconds = time.process_time() - started
    shutil.rmtree(base / "registry")
    return seconds


if __name__ == "__main__":
    main()
