"""Time and memory of pack and unpack, beside ``tar | sha256sum`` and ``tar -x`` of the same files in the same run.

    python benchmarks/pack_unpack.py                      # 20,000 small files and 1 GiB, sparse
    python benchmarks/pack_unpack.py --files 100000 --gib 5

Every measurement is a process of its own, so that its peak of resident memory is its own too.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FILE_BYTES = 1000
KITFILE = "manifestVersion: 1.0.0\npackage: {name: bench}\nmodel: {path: model}\n"
WORKER = """
import json, os, resource, sys, time
from pathlib import Path
from kitops_orchestration.modelkit.pack import pack
from kitops_orchestration.modelkit.unpack import unpack
from kitops_orchestration.oci.layout import LayoutRepository
from kitops_orchestration.oci.reference import Reference, folder_registry
verb, context, registry, target = sys.argv[1:]
repository = LayoutRepository(Reference(folder_registry(Path(registry)), "bench"))
before = resource.getrusage(resource.RUSAGE_SELF)
start = time.perf_counter()
if verb == "unpack":
    size = unpack(repository, "v1", Path(target)).size_bytes
else:
    size = pack(Path(context), repository, tag="v1", use_cache=verb == "repack").size_bytes
seconds = time.perf_counter() - start
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({"seconds": seconds, "bytes": size, "cpu": used.ru_utime + used.ru_stime - before.ru_utime
      - before.ru_stime, "mib": used.ru_maxrss / 1024}))
"""


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--files", type=int, default=20_000)
    options.add_argument("--gib", type=float, default=1.0)
    options.add_argument("--folder", type=Path, default=None, help="where to work; default: a temporary folder")
    arguments = options.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        base = Path(name)
        print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
        measure(
            base, f"{arguments.files} files of {FILE_BYTES} bytes", arguments.files, small_files(base, arguments.files)
        )
        measure(base, f"one sparse file of {arguments.gib:g} GiB", 1, large_file(base, arguments.gib))


def small_files(base: Path, count: int) -> Path:
    context = base / "small"
    for number in range(count):
        if number % 1000 == 0:
            folder = context / "model" / f"part-{number // 1000:04d}"
            folder.mkdir(parents=True)
        (folder / f"{number:07d}.bin").write_bytes(number.to_bytes(8, "big") * (FILE_BYTES // 8))
    (context / "Kitfile").write_text(KITFILE)
    return context


def large_file(base: Path, gib: float) -> Path:
    context = base / "large"
    (context / "model").mkdir(parents=True)
    with (context / "model" / "weights.bin").open("wb") as file:
        file.write(b"head")
        file.truncate(int(gib * 2**30))
    (context / "Kitfile").write_text(KITFILE)
    return context


def measure(base: Path, title: str, files: int, context: Path) -> None:
    registry, target = base / f"registry-{context.name}", base / f"out-{context.name}"
    archive = base / f"{context.name}.tar"
    print(f"\n{title}\n{'':24}{'seconds':>9}{'cpu s':>8}{'us/file':>10}{'MB/s':>8}{'peak MiB':>10}")
    worker("pack", context, registry, target, files)
    worker("repack", context, registry, target, files, show=False)
    time.sleep(3)  # files of the last two seconds are never cached
    worker("repack", context, registry, target, files, show=False)
    worker("repack", context, registry, target, files)
    worker("unpack", context, registry, target, files)
    shutil.rmtree(target)
    shutil.rmtree(registry)
    shell("tar | sha256sum", f"tar -C {context} -cf - model | sha256sum", context, files)
    shell("tar to a file", f"tar -C {context} -cf {archive} model", context, files)
    target.mkdir()
    shell("tar -x", f"tar -C {target} -xf {archive}", context, files)
    archive.unlink()
    shutil.rmtree(target)


def worker(verb: str, context: Path, registry: Path, target: Path, files: int, *, show: bool = True) -> None:
    environment = {**os.environ, "KITOPS_ORCHESTRATION_CACHE": str(context.parent / "cache")}
    command = [sys.executable, "-c", WORKER, verb, str(context), str(registry), str(target)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    if show:
        row(verb, found["seconds"], found["cpu"], found["bytes"], files, f"{found['mib']:.0f}")


def shell(title: str, command: str, context: Path, files: int) -> None:
    size = sum(path.stat().st_size for path in (context / "model").rglob("*") if path.is_file())
    before, start = os.times(), time.perf_counter()
    subprocess.run(["bash", "-c", command], check=True, stdout=subprocess.DEVNULL)
    seconds, after = time.perf_counter() - start, os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    row(title, seconds, cpu, size, files, "-")


def row(title: str, seconds: float, cpu: float, size: int, files: int, memory: str) -> None:
    print(f"{title:24}{seconds:9.2f}{cpu:8.2f}{seconds / files * 1e6:10.0f}{size / seconds / 1e6:8.0f}{memory:>10}")


if __name__ == "__main__":
    main()
