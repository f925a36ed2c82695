"""What cosign itself wrote, put into a repository."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from kitops_orchestration.oci.descriptor import Descriptor, Digest
from kitops_orchestration.oci.manifest import Index, parse
from kitops_orchestration.oci.transfer.source import BytesSource

VECTORS = Path(__file__).resolve().parents[2] / "data" / "cosign.json"
_SIGNATURE = "dev.cosignproject.cosign/signature"


@pytest.fixture(scope="session")
def cosign_vectors() -> dict[str, Any]:
    """Sixteen small repositories that cosign 3 wrote, and its public keys; the keys were thrown away."""
    return json.loads(VECTORS.read_text())


@pytest.fixture
def put_cosign(cosign_vectors):
    """Write one of the repositories, with its ModelKit at the tag ``1``; ``change`` alters one byte of its evidence.

    The fallback index is left out: whoever stores the manifests keeps the list of referrers.
    """

    def put(repository: Any, name: str, change: str | None = None) -> str:
        stored = cosign_vectors["repositories"][name]
        blobs = {digest: base64.b64decode(text) for digest, text in stored["blobs"].items()}
        tags = {digest: tag for tag, digest in stored["tags"].items()}
        renamed = {}
        for digest, content in blobs.items():
            changed = _changed(content, change)
            renamed[digest] = Descriptor("", Digest.of(changed), len(changed))
            repository.push_blob(renamed[digest], BytesSource(changed))
        nodes = []
        for digest, text in stored["manifests"].items():
            content = base64.b64decode(text)
            if change is not None and tags.get(digest) != "1":
                value = json.loads(content)
                for layer in value.get("layers", ()):
                    _rename(layer, renamed[layer["digest"]], change)
                content = json.dumps(value, separators=(",", ":")).encode()
            nodes.append((tags.get(digest), parse(content)))
        for tag, node in sorted(nodes, key=lambda item: item[0] != "1"):
            if not isinstance(node, Index):
                repository.push_manifest(node, tag=tag)
        return stored["tags"]["1"]

    return put


def _rename(layer: dict[str, Any], descriptor: Descriptor, change: str | None) -> None:
    layer.update(digest=str(descriptor.digest), size=descriptor.size)
    signature = layer.get("annotations", {}).get(_SIGNATURE)
    if signature and change == "signature":
        layer["annotations"][_SIGNATURE] = _flipped(signature)


def _changed(content: bytes, change: str | None) -> bytes:
    """Change a byte of a bundle, an envelope or a payload; other content is returned as it is."""
    if change == "payload" and content.startswith(b'{"critical"'):
        return content.replace(b"127.0.0.1", b"127.0.0.2")
    try:
        value = json.loads(content)
    except ValueError:
        return content
    envelope = value.get("dsseEnvelope", value)
    if change is None or "payload" not in envelope:
        return content
    if change == "signature":
        envelope["signatures"][0]["sig"] = _flipped(envelope["signatures"][0]["sig"])
    else:
        payload = base64.b64decode(envelope["payload"])
        assert b'"predicateType":' in payload
        envelope["payload"] = base64.b64encode(payload.replace(b'"predicateType":', b'"predicateType" :', 1)).decode()
    return json.dumps(value, separators=(",", ":")).encode()


def _flipped(text: str) -> str:
    raw = base64.b64decode(text)
    return base64.b64encode(raw[:-1] + bytes([raw[-1] ^ 1])).decode()
