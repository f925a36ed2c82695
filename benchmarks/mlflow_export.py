"""Export of one MLflow run with a large model: by hand (download, then push), by ``export_run``, and by ``kitctl``.

    python benchmarks/mlflow_export.py [--gib 2] [--keep DIR]

Everything is on this machine: MLflow on sqlite with a local artifact store, Debian's docker-registry as the
registry (a folder registry where it is not installed).  Each way runs in a process of its own, from a cold
digest cache, into an empty repository.  Printed per way: seconds, the largest resident memory, what of it the
import of MLflow alone takes, and the most bytes that lay in temporary folders at any time.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

MIB = 1024 * 1024
BY_HAND = """
import mlflow, pathlib, tempfile
from kitops_orchestration import KitClient
from kitops_orchestration.modelkit.kitfile import Kitfile, Model
{measure}
run = mlflow.MlflowClient({uri!r}).get_run({run_id!r})
mlflow.set_tracking_uri({uri!r})
before, started = peak_mib(), time.perf_counter()
with tempfile.TemporaryDirectory() as folder:
    path = mlflow.artifacts.download_artifacts("models:/" + run.outputs.model_outputs[0].model_id, dst_path=folder)
    kitfile = Kitfile("1.0.0", model=Model(name="m", path="."))
    result = KitClient().pack(pathlib.Path(path), {reference!r}, kitfile=kitfile)
report(before, result.digest, result.uploaded_bytes)
"""
EXPORT_RUN = """
import mlflow
from kitops_orchestration import KitClient
{measure}
mlflow.MlflowClient({uri!r}).get_run({run_id!r})
before, started = peak_mib(), time.perf_counter()
result = KitClient().export_run({run_id!r}, {reference!r}, tracking_uri={uri!r}, write_back=False)
report(before, result.digest, result.pack.uploaded_bytes)
"""
KITCTL = """
import contextlib, io
from kitops_orchestration.cli.main import _run
from kitops_orchestration.mlflow_bridge.runs.light_import import import_without_frames
{measure}
import_without_frames()  # as kitctl does, before its verb
import mlflow
mlflow.MlflowClient({uri!r}).get_run({run_id!r})
before, started = peak_mib(), time.perf_counter()
printed = io.StringIO()
with contextlib.redirect_stdout(printed):
    options = ["--push", "--tracking-uri", {uri!r}, "--no-write-back", "--json"]
    _run(["export-run", {run_id!r}, "-t", {reference!r}, *options])
facts = json.loads(printed.getvalue())
report(before, facts["digest"], facts["uploaded"])
"""
MEASURE = """
import json, pathlib, time
def peak_mib():  # not ru_maxrss: that starts at what the parent process had
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) // 1024
def report(before, digest, uploaded):
    facts = {"work_seconds": time.perf_counter() - started, "peak_mib": peak_mib(), "before_mib": before}
    facts.update(digest=str(digest), uploaded=uploaded)
    print("RESULT " + json.dumps(facts))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gib", type=float, default=2.0, help="size of the model file")
    parser.add_argument("--keep", type=Path, help="work here and leave everything")
    options = parser.parse_args()
    root = options.keep or Path(tempfile.mkdtemp(prefix="kitops-benchmark-"))
    root.mkdir(parents=True, exist_ok=True)
    try:
        uri, run_id = train(root, int(options.gib * 1024 * MIB))
        with registry(root) as host:
            ways = (("download, then push", BY_HAND), ("export_run", EXPORT_RUN), ("kitctl export-run", KITCTL))
            for name, code in ways:
                reference = f"{host}/bench/{name.split(',')[0].replace('_', '-').replace(' ', '-')}:v1"
                measured = run(root, code.format(measure=MEASURE, uri=uri, run_id=run_id, reference=reference))
                show(name, measured)
    finally:
        if options.keep is None:
            shutil.rmtree(root)


def train(root: Path, size: int) -> tuple[str, str]:
    """Log a run whose model has one file of ``size`` bytes that do not compress."""
    import mlflow

    uri = f"sqlite:///{root / 'mlflow.db'}"
    client = mlflow.MlflowClient(uri)
    experiment_id = client.create_experiment("bench", artifact_location=(root / "artifacts").as_uri())
    run = client.create_run(experiment_id)
    model = client.create_logged_model(experiment_id, name="large", source_run_id=run.info.run_id)
    model_dir = root / "artifacts" / "models" / model.model_id / "artifacts"
    model_dir.mkdir(parents=True)
    (model_dir / "MLmodel").write_text("flavors:\n  python_function: {loader_module: none}\n")
    block = os.urandom(64 * MIB)
    with (model_dir / "weights.bin").open("wb") as stream:
        for index in range(0, size, len(block)):
            stream.write(block[index % 7 : min(len(block), size - index)])
    client.finalize_logged_model(model.model_id, "READY")
    client.log_outputs(run.info.run_id, [mlflow.entities.LoggedModelOutput(model.model_id, 0)])
    client.set_terminated(run.info.run_id)
    return uri, run.info.run_id


@contextmanager
def registry(root: Path) -> Iterator[str]:
    """Yield the registry's name: a docker-registry process, or a folder."""
    program = shutil.which("docker-registry")
    if program is None:
        yield (root / "registry").as_uri()
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{probe.getsockname()[1]}"
    config = root / "registry.yml"
    config.write_text(
        f"version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\n"
        f"storage: {{filesystem: {{rootdirectory: {root / 'registry'}}}}}\nhttp: {{addr: '{host}', secret: bench}}\n"
    )
    with (root / "registry.log").open("wb") as log:
        process = subprocess.Popen([program, "serve", str(config)], stdout=log, stderr=log)
    try:
        for _ in range(100):
            try:
                urllib.request.urlopen(f"http://{host}/v2/", timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield host
    finally:
        process.terminate()
        process.wait(10)


def run(root: Path, code: str) -> dict[str, float]:
    """Run one way in its own process; watch what lies in its temporary and cache folders."""
    scratch = Path(tempfile.mkdtemp(dir=root, prefix="scratch-"))
    environment = {**os.environ, "TMPDIR": str(scratch), "KITOPS_ORCHESTRATION_CACHE": str(scratch / "cache")}
    done = threading.Event()
    most = [0]

    def watch() -> None:
        while not done.wait(0.05):
            most[0] = max(most[0], size_of(scratch))

    watcher = threading.Thread(target=watch)
    watcher.start()
    started = time.perf_counter()
    process = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    seconds = time.perf_counter() - started
    done.set()
    watcher.join()
    line = next(text for text in process.stdout.decode().splitlines() if text.startswith("RESULT "))
    facts = json.loads(line.removeprefix("RESULT "))
    return {**facts, "seconds": seconds, "scratch": most[0], "left": size_of(scratch)}


def size_of(folder: Path) -> int:
    """Sum of file sizes; files may vanish while it is taken."""
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):
            total += path.lstat().st_size if not path.is_dir() else 0
    return total


def show(name: str, facts: dict[str, float]) -> None:
    memory = f"{facts['peak_mib']} MiB resident ({facts['before_mib']} MiB before the work began)"
    disk = f"{facts['scratch'] / MIB:.1f} MiB in temporary folders, {facts['left'] / MIB:.1f} MiB left"
    times = f"{facts['seconds']:6.1f} s ({facts['work_seconds']:.1f} s without imports)"
    print(f"{name:20} {times}   {memory}   {disk}   {facts['uploaded'] / MIB:.0f} MiB sent", flush=True)


if __name__ == "__main__":
    main()
