"""One sample of one case, in a process of its own: `registry_case.py NAME JSON` prints what it took.

Imports happen before the clock starts, for every client alike; the parent reads peak memory from the kernel.
"""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

Case = Callable[[dict[str, Any]], Callable[[], Any]]
CASES: dict[str, Case] = {}


def case(function: Case) -> Case:
    """Register a case: it prepares, and returns what is timed."""
    CASES[function.__name__] = function
    return function


def remote(options: dict[str, Any], name: str | None = None) -> Any:
    from kitops_orchestration.oci.auth.credentials import StaticCredentials
    from kitops_orchestration.oci.http.tls import TlsOptions
    from kitops_orchestration.oci.reference import Reference
    from kitops_orchestration.oci.registry.repository import RemoteRepository

    ca = options.get("ca")
    return RemoteRepository(
        Reference(options["host"], name or options["repository"]),
        credentials=StaticCredentials({}),
        tls=TlsOptions(ca_bundle=Path(ca)) if ca else None,
    )


def descriptor(options: dict[str, Any]) -> Any:
    from kitops_orchestration.oci.descriptor import Descriptor, Digest

    return Descriptor("application/octet-stream", Digest(options["digest"]), options["size"])


def fresh() -> str:
    return f"bench/{uuid.uuid4().hex}"


# Ours


@case
def ours_push(options: dict[str, Any]) -> Callable[[], Any]:
    """Hash and push one layer, config and manifest."""
    import oras.provider  # noqa: F401 - its import is not part of what is measured

    from kitops_orchestration.oci.descriptor import Descriptor, Digest
    from kitops_orchestration.oci.manifest import Manifest
    from kitops_orchestration.oci.transfer.push import push_content
    from kitops_orchestration.oci.transfer.source import BytesSource, FileSource

    repository = remote(options, fresh())

    def run() -> None:
        layer = push_content(repository, FileSource(Path(options["path"])), "application/octet-stream").descriptor
        config = Descriptor("application/vnd.oci.empty.v1+json", Digest.of(b"{}"), 2)
        repository.push_blob(config, BytesSource(b"{}"))
        repository.push_manifest(Manifest.build(config=config, layers=[layer]), tag="v1")

    return run


@case
def ours_pull(options: dict[str, Any]) -> Callable[[], Any]:
    """Download one blob, verified."""
    from kitops_orchestration.oci.transfer.download import download_blob

    repository, blob = remote(options), descriptor(options)
    return lambda: download_blob(repository, blob, Path(options["out"]))


@case
def ours_single_stream(options: dict[str, Any]) -> Callable[[], Any]:
    """Download one blob over one connection only."""
    from kitops_orchestration.oci.transfer import download as transfer

    transfer.RANGED_BYTES = 1 << 60
    return ours_pull(options)


@case
def ours_pack(options: dict[str, Any]) -> Callable[[], Any]:
    """Pack a directory straight into the registry."""
    import oras.provider  # noqa: F401 - its import is not part of what is measured

    from kitops_orchestration.modelkit.pack import pack

    repository = remote(options, options.get("repository") or fresh())
    return lambda: pack(Path(options["context"]), repository, tag="v1", use_cache=False)


@case
def ours_unpack(options: dict[str, Any]) -> Callable[[], Any]:
    """Unpack a ModelKit straight from the registry."""
    from kitops_orchestration.modelkit.unpack import unpack

    repository = remote(options)
    return lambda: unpack(repository, "v1", Path(options["out"]))


@case
def ours_pack_again(options: dict[str, Any]) -> Callable[[], Any]:
    """Pack what was packed before, in the same process."""
    import oras.provider  # noqa: F401 - its import is not part of what is measured

    from kitops_orchestration.modelkit.pack import pack

    repository = remote(options, fresh())
    pack(Path(options["context"]), repository, tag="v1")
    return lambda: pack(Path(options["context"]), repository, tag="v1")


def small_blobs(options: dict[str, Any]) -> list[tuple[Any, Path]]:
    from kitops_orchestration.oci.descriptor import Descriptor, Digest

    paths = sorted(Path(options["small"]).iterdir())
    return [(Descriptor("a/b", Digest.of(path.read_bytes()), path.stat().st_size), path) for path in paths]


@case
def ours_push_small(options: dict[str, Any]) -> Callable[[], Any]:
    """Hash and push many small layers, config and manifest."""
    import oras.provider  # noqa: F401 - its import is not part of what is measured

    from kitops_orchestration.oci.descriptor import Descriptor, Digest
    from kitops_orchestration.oci.manifest import Manifest
    from kitops_orchestration.oci.transfer.push import push_content
    from kitops_orchestration.oci.transfer.source import BytesSource, FileSource

    repository = remote(options, options.get("repository") or fresh())
    paths = sorted(Path(options["small"]).iterdir())

    def run() -> None:
        with ThreadPoolExecutor(4) as pool:
            layers = list(pool.map(lambda path: push_content(repository, FileSource(path), "a/b").descriptor, paths))
        config = Descriptor("application/vnd.oci.empty.v1+json", Digest.of(b"{}"), 2)
        repository.push_blob(config, BytesSource(b"{}"))
        repository.push_manifest(Manifest.build(config=config, layers=layers), tag="v1")

    return run


@case
def ours_pull_small(options: dict[str, Any]) -> Callable[[], Any]:
    """Download many small layers, verified."""
    import oras.provider  # noqa: F401 - its import is not part of what is measured

    from kitops_orchestration.oci.transfer.download import download_blob

    repository = remote(options)
    out = Path(options["out"])

    def run() -> None:
        layers = repository.fetch_manifest("v1").layers
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda layer: download_blob(repository, layer, out / layer.digest.hex), layers))

    return run


@case
def ours_copy(options: dict[str, Any]) -> Callable[[], Any]:
    """Copy within one registry; the count of blob bodies is the result."""
    from kitops_orchestration.oci.copying.graph import copy
    from kitops_orchestration.testing.builders import push_random_modelkit
    from kitops_orchestration.testing.registry import EmbeddedRegistry

    registry = EmbeddedRegistry().start()
    source = remote({**options, "host": registry.host}, "stage/iris")
    destination = remote({**options, "host": registry.host}, "prod/iris")
    push_random_modelkit(source, tag="v1", layers=4, layer_bytes=1 << 20)
    registry.clear_requests()

    def run() -> int:
        copy(source, "v1", destination, tag="v1")
        return registry.blob_bodies

    return run


# Peers


def oras_client(options: dict[str, Any]) -> Any:
    import oras.client

    ca = options.get("ca")
    return oras.client.OrasClient(hostname=options["host"], insecure=not ca, tls_verify=ca or True)


@case
def oras_push(options: dict[str, Any]) -> Callable[[], Any]:
    """oras-py: push one file."""
    client = oras_client(options)
    target = f"{options['host']}/{fresh()}:v1"
    return lambda: client.push(target=target, files=[options["path"]], disable_path_validation=True, quiet=True)


@case
def oras_pull(options: dict[str, Any]) -> Callable[[], Any]:
    """oras-py: download one blob; it verifies nothing."""
    client = oras_client(options)
    target = f"{options['host']}/{options['repository']}"
    return lambda: client.download_blob(target, options["digest"], options["out"])


@case
def oras_push_files(options: dict[str, Any]) -> Callable[[], Any]:
    """oras-py: push the files of the directory that ours packs."""
    client = oras_client(options)
    target = f"{options['host']}/{fresh()}:v1"
    files = [str(path) for path in sorted(Path(options["context"]).glob("*.bin"))]
    return lambda: client.push(target=target, files=files, disable_path_validation=True, quiet=True)


@case
def oras_push_small(options: dict[str, Any]) -> Callable[[], Any]:
    """oras-py: push many small files."""
    client = oras_client(options)
    target = f"{options['host']}/{fresh()}:v1"
    files = [str(path) for path in sorted(Path(options["small"]).iterdir())]
    return lambda: client.push(target=target, files=files, disable_path_validation=True, quiet=True)


@case
def oras_pull_small(options: dict[str, Any]) -> Callable[[], Any]:
    """oras-py: pull many small layers."""
    client = oras_client(options)
    target = f"{options['host']}/{options['repository']}:v1"
    return lambda: client.pull(target=target, outdir=options["out"])


def command(arguments: list[str]) -> Callable[[], Any]:
    program = shutil.which(arguments[0])
    if program is None:
        raise SystemExit(f"{arguments[0]} is not installed")
    return lambda: subprocess.run([program, *arguments[1:]], check=True, stdout=subprocess.DEVNULL)


@case
def curl_push(options: dict[str, Any]) -> Callable[[], Any]:
    """curl -T into an opened upload: no hash, no manifest."""
    import requests

    root = f"{'https' if options.get('ca') else 'http'}://{options['host']}"
    answer = requests.post(f"{root}/v2/{fresh()}/blobs/uploads/", verify=options.get("ca") or True, timeout=60)
    url = f"{answer.headers['Location']}&digest={options['digest']}"
    trust = ["--cacert", options["ca"]] if options.get("ca") else []
    return command(["curl", "-sSf", "--http1.1", *trust, "-H", "Expect:", "-T", options["path"], url])


@case
def curl_pull(options: dict[str, Any]) -> Callable[[], Any]:
    """curl -o: nothing is verified."""
    root = f"{'https' if options.get('ca') else 'http'}://{options['host']}"
    trust = ["--cacert", options["ca"]] if options.get("ca") else []
    url = f"{root}/v2/{options['repository']}/blobs/{options['digest']}"
    # the others speak HTTP/1.1, and so may curl: over TLS it would choose HTTP/2, which is slower here
    return command(["curl", "-sSf", "--http1.1", *trust, "-o", options["out"], url])


@case
def sha256sum(options: dict[str, Any]) -> Callable[[], Any]:
    """sha256sum of the file."""
    return command(["sha256sum", options["path"]])


@case
def skopeo_push(options: dict[str, Any]) -> Callable[[], Any]:
    """skopeo: copy a layout into the registry."""
    trust = ["--dest-cert-dir", str(Path(options["ca"]).parent)] if options.get("ca") else ["--dest-tls-verify=false"]
    target = f"docker://{options['host']}/{fresh()}:v1"
    return command(["skopeo", "copy", "-q", "--preserve-digests", *trust, f"oci:{options['layout']}:v1", target])


@case
def skopeo_pull(options: dict[str, Any]) -> Callable[[], Any]:
    """skopeo: copy from the registry into a new layout."""
    trust = ["--src-cert-dir", str(Path(options["ca"]).parent)] if options.get("ca") else ["--src-tls-verify=false"]
    source = f"docker://{options['host']}/{options['repository']}:v1"
    return command(["skopeo", "copy", "-q", "--preserve-digests", *trust, source, f"oci:{options['out']}:v1"])


def layers_of(options: dict[str, Any]) -> list[str]:
    """Return the URLs of a ModelKit's layers: a peer that knows no ModelKits gets them for nothing."""
    digests = [str(layer.digest) for layer in remote(options).fetch_manifest("v1").layers]
    return [f"http://{options['host']}/v2/{options['repository']}/blobs/{digest}" for digest in digests]


@case
def curl_unpack(options: dict[str, Any]) -> Callable[[], Any]:
    """curl into tar, all layers at once: nothing is verified."""
    pipes = [f"curl -sSf {url} | tar -xf - -C {options['out']}" for url in layers_of(options)]
    return command(["sh", "-c", " & ".join(pipes) + " & wait"])


@case
def oras_unpack(options: dict[str, Any]) -> Callable[[], Any]:
    """oras-py: download each layer, then tar; it verifies nothing."""
    client = oras_client(options)
    target, out = f"{options['host']}/{options['repository']}", options["out"]
    digests = [url.rpartition("/")[2] for url in layers_of(options)]

    def run() -> None:
        for digest in digests:
            client.download_blob(target, digest, f"{out}/layer.tar")
            subprocess.run(["tar", "-xf", f"{out}/layer.tar", "-C", out], check=True)

    return run


@case
def sha256sum_and_cat(options: dict[str, Any]) -> Callable[[], Any]:
    """coreutils: read and hash the file, read and write it."""
    path, out = options["path"], options["out"]
    target = f"{out}/copy" if options.get("out_is_dir") else out
    return command(["sh", "-c", f"sha256sum {path} > /dev/null && cat {path} > {target}"])


@case
def skopeo_unpack(options: dict[str, Any]) -> Callable[[], Any]:
    """skopeo: copy into a folder, then tar."""
    out, files = options["out"], " ".join(url.rpartition(":")[2] for url in layers_of(options))
    source = f"docker://{options['host']}/{options['repository']}:v1"
    copied = f"skopeo copy -q --preserve-digests --src-tls-verify=false {source} dir:{out}/kit"
    return command(["sh", "-c", f"{copied} && cd {out}/kit && for file in {files}; do tar -xf $file -C {out}; done"])


@case
def kit_unpack(options: dict[str, Any]) -> Callable[[], Any]:
    """Kit: unpack from the registry; it verifies nothing."""
    target = f"{options['host']}/{options['repository']}:v1"
    return command(["kit", "unpack", target, "-d", options["out"], "--plain-http"])


@case
def kit_pack_push(options: dict[str, Any]) -> Callable[[], Any]:
    """Kit: pack and push the directory that ours packs."""
    target = f"{options['host']}/{fresh()}:v1"
    pack = command(["kit", "pack", options["context"], "-t", target])
    push = command(["kit", "push", target, "--plain-http"])
    return lambda: (pack(), push())


def cpu_seconds() -> float:
    """Return what this process and the programs that it ran have used of a processor so far."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(used.ru_utime + used.ru_stime for used in map(resource.getrusage, kinds))


def main() -> None:
    name, text = sys.argv[1:]
    run = CASES[name](json.loads(text))
    start, used = time.perf_counter(), cpu_seconds()
    value = run()
    seconds, used = time.perf_counter() - start, cpu_seconds() - used
    # Not ru_maxrss: that starts at what the parent had.
    lines = Path("/proc/self/status").read_text().splitlines()
    peak = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
    value = value if isinstance(value, int) else None
    print(json.dumps({"seconds": seconds, "cpu": used, "peak_mib": round(peak, 1), "value": value}))


if __name__ == "__main__":
    main()
