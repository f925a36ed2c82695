"""Programs that answer as the Kit CLI and cosign do, made of what we have, and with faults on request.

They are no proof about either; they prove that the cases start a program, see what it does, and notice a fault.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from kitops_orchestration.client import KitClient
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.signing.keys.load import load_public_key, load_signer

FAULT = os.environ.get("STAND_IN_FAULT", "")


def kit(words: list[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("verb")
    parser.add_argument("what", nargs="?")
    parser.add_argument("-t", dest="tag")
    parser.add_argument("-d", dest="target")
    parser.add_argument("--filter")
    parser.add_argument("--remote", action="store_true")
    parser.add_argument("--plain-http", action="store_true")
    asked = parser.parse_intermixed_args(words)
    client = KitClient(plain_http=asked.plain_http or None)
    if asked.verb == "version":
        print("Version: 1.15.0 (a stand-in)")
    elif asked.verb == "pack":
        _spoil(Path(asked.what))
        where = Reference.parse(asked.tag)
        packed = client.pack(asked.what, _store(where), strict="kit", profile="kit")
        client.copy(packed.reference, where, to_kit=True)
    elif asked.verb == "push":
        where = Reference.parse(asked.what)
        client.copy(_store(where), where)
    elif asked.verb == "unpack":
        client.unpack(asked.what, asked.target, filters=[asked.filter] if asked.filter else [])
        _spoil(Path(asked.target))
    elif asked.verb == "inspect":
        print(client.inspect(asked.what).digest if FAULT != "tells another digest" else "sha256:" + "0" * 64)
    return 0


def _spoil(folder: Path) -> None:
    for path in folder.rglob("*.bin") if FAULT == "packs one byte more" else ():
        path.write_bytes(path.read_bytes() + b"!")
    for path in folder.rglob(".hidden") if FAULT == "loses hidden files" else ():
        path.unlink()
    for path in folder.rglob("*.sh") if FAULT == "forgets who may be executed" else ():
        path.chmod(0o644)


def _store(where: Reference) -> str:
    folder = Path(os.environ["KITOPS_HOME"]) / "packed" / where.repository
    return f"file://{folder}:{where.tag}"


def cosign(words: list[str]) -> int:
    if "--help" in words:
        print("--use-signing-config")
        return 0
    parser = argparse.ArgumentParser()
    parser.add_argument("verb")
    parser.add_argument("what", nargs="?")
    parser.add_argument("--key")
    parser.add_argument("--yes", action="store_true")
    for name in ("--tlog-upload", "--insecure-ignore-tlog", "--use-signing-config"):
        parser.add_argument(name)
    for name in ("--allow-http-registry", "--allow-insecure-registry"):
        parser.add_argument(name, action="store_true")
    asked = parser.parse_intermixed_args(words)
    client = KitClient()
    if asked.verb == "version":
        print("GitVersion: v3.1.0 (a stand-in)")
    elif asked.verb == "verify":
        if FAULT == "accepts everything":
            return 0
        key = load_public_key(Path(asked.key))
        return 0 if client.check_signatures(asked.what, key=key).is_verified else 1
    elif asked.verb == "sign" and FAULT != "signs nothing":
        password = os.environ["COSIGN_PASSWORD"]
        client.sign(asked.what, load_signer(Path(asked.key), password))
    return 0


if __name__ == "__main__":
    sys.exit({"kit": kit, "cosign": cosign}[sys.argv[1]](sys.argv[2:]))
