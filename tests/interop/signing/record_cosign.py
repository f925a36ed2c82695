"""Run cosign against our signatures and record what it writes, for ``test_cosign.py``.

    python tests/interop/signing/record_cosign.py /path/to/cosign tests/data/cosign.json

By hand, where a cosign of 2.6 or later is installed.  Debian's docker-registry is started for it; the keys are made
for the recording, and public on purpose.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kitops_orchestration.lineage.attach import attach
from kitops_orchestration.lineage.statements import Approval
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.repository import Repository
from kitops_orchestration.oci.schemes import open_repository
from kitops_orchestration.signing import legacy
from kitops_orchestration.signing.evidence import fetch_attached
from kitops_orchestration.signing.keys import generate_key_pair, load_private_key
from kitops_orchestration.signing.predicate_types import APPROVAL
from kitops_orchestration.signing.sign import sign
from kitops_orchestration.signing.verify import check_signatures
from kitops_orchestration.testing.builders import push_random_modelkit

PASSWORD = "test-password"
OFFLINE = ("--insecure-ignore-tlog=true", "--allow-http-registry")
# cosign 2.6 wants a trusted root for bundles even where a key decides; one with nothing in it will do.
BUNDLES = ("--new-bundle-format", "--trusted-root", "root.json")
NO_ROOT = {"mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1"}


@contextmanager
def registry(folder: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{free.getsockname()[1]}"
    config = folder / "config.yml"
    storage = f"storage: {{filesystem: {{rootdirectory: {folder / 'data'}}}}}"
    config.write_text(f"version: 0.1\nlog: {{level: error}}\nhttp: {{addr: {host}}}\n{storage}\n")
    process = subprocess.Popen(
        [shutil.which("docker-registry"), "serve", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        time.sleep(1.5)
        yield host
    finally:
        process.terminate()
        process.wait()


class Cosign:
    def __init__(self, program: str, folder: Path) -> None:
        self.program, self.folder = program, folder

    def __call__(self, *arguments: object, fails: bool = False) -> None:
        environment = {**os.environ, "COSIGN_PASSWORD": PASSWORD, "HOME": str(self.folder)}
        command = [self.program, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.folder, env=environment)
        said = (done.stderr.strip().splitlines() or [""])[-1]
        verdict = "as wanted" if fails == bool(done.returncode) else "NOT AS WANTED"
        print(f"{verdict}: cosign {' '.join(command[1:])[:140]}")
        print(f"    exit {done.returncode}: {said[:160]}")


def ours_for_cosign(cosign: Cosign, repository: Repository, folder: Path) -> None:
    digest = push_random_modelkit(repository, tag="ours").descriptor.digest
    reference = f"{repository.reference.name}@{digest}"
    pair = generate_key_pair(PASSWORD)
    pair.write(folder / "ours")
    generate_key_pair(PASSWORD).write(folder / "other")
    sign(repository, "ours", pair.signer)
    attach(
        repository, "ours", Approval("APPROVED", "production", created_on="2026-03-01T10:00:00Z"), signer=pair.signer
    )
    cosign("public-key", "--key", "ours.key")
    cosign("verify", "--key", "ours.pub", *OFFLINE, reference)
    cosign("verify", "--key", "ours.pub", *BUNDLES, *OFFLINE, reference)
    cosign("verify", "--key", "other.pub", *OFFLINE, reference, fails=True)
    cosign("verify-attestation", "--key", "ours.pub", *BUNDLES, "--type", APPROVAL, *OFFLINE, reference)
    wrong = "https://slsa.dev/provenance/v1"
    arguments = ("--key", "ours.pub", *BUNDLES, "--type", wrong, *OFFLINE, reference)
    cosign("verify-attestation", *arguments, fails=True)


def cosign_for_ours(cosign: Cosign, repository: Repository, folder: Path) -> dict[str, object]:
    cosign("generate-key-pair")
    signer = load_private_key(folder / "cosign.key", PASSWORD)
    digest = push_random_modelkit(repository, tag="theirs", seed=2).descriptor.digest
    reference = f"{repository.reference.name}@{digest}"
    common = ("--key", "cosign.key", "--tlog-upload=false", "--allow-http-registry", "--yes")
    cosign("sign", *common, reference)
    [older] = legacy.read_signatures(repository, digest)
    (folder / "predicate.json").write_text(json.dumps({"result": "PASSED", "configuration": []}))
    kind = "https://in-toto.io/attestation/test-result/v0.1"
    attest = ("--type", kind, "--predicate", "predicate.json", "--new-bundle-format", *common, reference)
    cosign("attest", *attest)
    found = check_signatures(repository, "theirs", key=signer.public_key)
    print("ours on cosign's:", [(item.form, item.counts, item.reason) for item in found.signatures])
    contents = [fetch_attached(repository, digest, item) for item in repository.referrers(digest)]
    return {
        "comment": "written by cosign; the key is public on purpose",
        "password": PASSWORD,
        "private_key": (folder / "cosign.key").read_text(),
        "public_key": (folder / "cosign.pub").read_text(),
        "digest": str(digest),
        "legacy": {
            "payload": older.payload.decode(),
            "signature": older.descriptor.annotations[legacy.ANNOTATION_SIGNATURE],
        },
        "bundles": [json.loads(content) for _, content in contents if content],
    }


def main() -> None:
    program, target = sys.argv[1:3]
    with tempfile.TemporaryDirectory() as name, registry(Path(name)) as host:
        folder = Path(name)
        cosign = Cosign(program, folder)
        (folder / "root.json").write_text(json.dumps(NO_ROOT))
        cosign("version")
        repository = open_repository(Reference.parse(f"{host}/team/iris"))
        ours_for_cosign(cosign, repository, folder)
        recorded = cosign_for_ours(cosign, repository, folder)
    Path(target).write_text(json.dumps(recorded, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
