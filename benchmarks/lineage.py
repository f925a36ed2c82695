"""How many requests, and how long, do the questions cost in a repository of many versions?

    python benchmarks/lineage.py [--versions 1000] [--registry folder|api|fallback|docker] [--concurrency 4]

Every version carries a signed provenance; every tenth a test result and an approval; two places run something.
``api`` and ``fallback`` are the embedded registry over HTTP, with and without the referrers API.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import socket
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kitops_orchestration.lineage.answers.deployment import record_deployment, where_deployed
from kitops_orchestration.lineage.answers.questions import lineage
from kitops_orchestration.lineage.answers.sign_offs import sign_offs
from kitops_orchestration.lineage.answers.timeline import timeline
from kitops_orchestration.lineage.statements import Approval, DeploymentTarget, Statement, TestResult
from kitops_orchestration.lineage.statements.attach import attach
from kitops_orchestration.oci.reference import Reference, folder_registry
from kitops_orchestration.oci.repository import Repository
from kitops_orchestration.oci.schemes import open_repository
from kitops_orchestration.settings import Limits
from kitops_orchestration.signing import predicate_types
from kitops_orchestration.signing.keys import LocalSigner, generate_key_pair
from kitops_orchestration.signing.trust import TrustPolicy
from kitops_orchestration.testing.builders import push_random_modelkit

READS = ("tags", "resolve", "fetch_manifest", "referrers", "fetch_blob")


class Counting:
    """A repository that counts what is asked of it."""

    def __init__(self, inner: Repository) -> None:
        self.inner, self.calls = inner, Counter()

    def __getattr__(self, name: str) -> Any:
        if name in READS:
            self.calls[name] += 1
        return getattr(self.inner, name)


def fill(repository: Repository, versions: int, signer: LocalSigner) -> None:
    def one(number: int) -> None:
        digest = push_random_modelkit(
            repository, tag=f"v{number}", layers=1, layer_bytes=64, seed=number
        ).descriptor.digest
        moment = f"2026-01-{number % 28 + 1:02}T10:00:00Z"
        predicate = {
            "buildDefinition": {"buildType": "urn:benchmark", "externalParameters": {}},
            "runDetails": {"builder": {"id": "urn:benchmark"}, "metadata": {"finishedOn": moment}},
        }
        attach(repository, digest, Statement.build(digest, predicate_types.PROVENANCE, predicate), signer=signer)
        if number % 10 == 0:
            attach(repository, digest, TestResult("PASSED", created_on=moment), signer=signer)
            attach(repository, digest, Approval("APPROVED", "production", created_on=moment), signer=signer)

    with ThreadPoolExecutor(max_workers=4) as pool:
        list(pool.map(one, range(versions)))
    for cluster, number in (("eu-1", versions - 1), ("us-1", versions // 2)):
        place = DeploymentTarget("kserve", "iris", cluster=cluster)
        record_deployment(
            repository, f"v{number}", "production", place, signer=signer, deployed_on="2026-02-01T10:00:00Z"
        )


def measure(name: str, repository: Repository, requests: Callable[[], int], ask: Callable[[Any], Any]) -> None:
    counting, before = Counting(repository), requests()
    start = time.perf_counter()
    ask(counting)
    seconds = time.perf_counter() - start
    sent = f"{requests() - before:,}" if requests() else "-"
    parts = ", ".join(f"{key} {counting.calls[key]}" for key in READS if counting.calls[key])
    print(f"| {name} | {sum(counting.calls.values()):,} | {sent} | {seconds:.2f} s | {parts} |", flush=True)


@contextmanager
def registry(kind: str, root: Path) -> Iterator[tuple[str, Callable[[], int]]]:
    if kind == "folder":
        yield folder_registry(root), lambda: 0
        return
    if kind == "docker":
        for host in docker_registry(root):
            yield host, lambda: 0
        return
    from kitops_orchestration.testing.registry import Behaviour, EmbeddedRegistry

    with EmbeddedRegistry(behaviour=Behaviour(referrers_api=kind == "api")) as server:
        yield server.host, lambda: len(server.requests)


def docker_registry(root: Path) -> Iterator[str]:
    program = shutil.which("docker-registry")
    if program is None:
        raise SystemExit("docker-registry is not installed: apt-get install docker-registry")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{free.getsockname()[1]}"
    config = root / "config.yml"
    config.write_text(
        f"version: 0.1\nlog: {{level: error}}\nhttp: {{addr: {host}}}\n"
        f"storage: {{filesystem: {{rootdirectory: {root}}}}}\n"
    )
    process = subprocess.Popen([program, "serve", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(1)
        yield host
    finally:
        process.terminate()
        process.wait()


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--versions", type=int, default=1000)
    options.add_argument("--registry", choices=["folder", "api", "fallback", "docker"], default="folder")
    options.add_argument("--concurrency", type=int, default=4)
    chosen = options.parse_args()
    limits = Limits(concurrency=chosen.concurrency)
    signer = generate_key_pair(key_format="pkcs8").signer
    trust = TrustPolicy.for_key(signer.public_key)
    cache = tempfile.TemporaryDirectory()
    os.environ["KITOPS_ORCHESTRATION_CACHE"] = cache.name  # nothing that an earlier run kept
    with cache, tempfile.TemporaryDirectory() as folder, registry(chosen.registry, Path(folder)) as (host, sent):
        repository = open_repository(Reference.parse(f"{host}/bench/iris"), limits=limits)
        start = time.perf_counter()
        fill(repository, chosen.versions, signer)
        seconds = time.perf_counter() - start
        print(f"{chosen.versions} versions in a {chosen.registry} registry, written in {seconds:.1f} s")
        print("\n| question | calls | HTTP requests | time | of which |\n|---|---|---|---|---|")
        measure("where_deployed", repository, sent, lambda it: where_deployed(it, trust=trust, limits=limits))
        measure("sign_offs of one", repository, sent, lambda it: sign_offs(it, "v10", trust=trust, limits=limits))
        measure("lineage of one", repository, sent, lambda it: lineage(it, "v10", trust=trust, limits=limits))
        deployed = {predicate_types.DEPLOYMENT}
        measure(
            "timeline, deployments only",
            repository,
            sent,
            lambda it: timeline(it, predicate_types=deployed, trust=trust, limits=limits),
        )
        for name in ("timeline", "timeline again"):
            measure(name, repository, sent, lambda it: timeline(it, trust=trust, limits=limits))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"\nPeak memory of the process, with the registry where that is embedded: {peak:.0f} MiB")


if __name__ == "__main__":
    main()
