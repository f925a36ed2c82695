"""Small things to put into a repository or to pack, for tests that need one and do not care which."""

from __future__ import annotations

import random
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kitops_orchestration.oci import canonical
from kitops_orchestration.oci.descriptor import EMPTY, Descriptor, Digest
from kitops_orchestration.oci.manifest import Manifest
from kitops_orchestration.oci.repository import Repository
from kitops_orchestration.oci.transfer.source import BytesSource

CONFIG_TYPE = "application/vnd.kitops.modelkit.config.v1+json"
LAYER_TYPE = "application/vnd.kitops.modelkit.model.v1.tar"
KITFILE = """\
manifestVersion: 1.0.0
package:
  name: {name}
  version: 1.0.0
  description: A small model for tests
model:
  name: {name}
  path: model.bin
datasets:
  - name: training
    path: data/train.csv
code:
  - path: code/train.py
docs:
  - path: README.md
"""


def random_bytes(size: int, *, seed: int = 0) -> bytes:
    """Return ``size`` bytes that do not compress; the same for the same ``seed``."""
    return random.Random(seed).randbytes(size)  # noqa: S311 - reproducible content, not a secret


def push_bytes(repository: Repository, content: bytes, media_type: str = "application/octet-stream") -> Descriptor:
    """Store ``content`` as a blob and return its descriptor."""
    descriptor = Descriptor(media_type, Digest.of(content), len(content))
    repository.push_blob(descriptor, BytesSource(content))
    return descriptor


@dataclass(frozen=True, slots=True)
class BuiltManifest:
    """A manifest that was pushed, and the content of its blobs by digest."""

    descriptor: Descriptor
    manifest: Manifest
    contents: Mapping[str, bytes]


def push_random_modelkit(
    repository: Repository,
    *,
    tag: str | None = None,
    layers: int = 2,
    layer_bytes: int = 4096,
    seed: int = 0,
    annotations: Mapping[str, str] = EMPTY,
) -> BuiltManifest:
    """Push a manifest shaped like a ModelKit: its config and media types are true, its layers are noise.

    It can be copied, tagged, signed and inspected as a manifest, but not unpacked: pack a context directory
    (:func:`make_context_dir`) for that.
    """
    contents = [random_bytes(layer_bytes, seed=seed * 1000 + number) for number in range(layers)]
    kitfile = {"manifestVersion": "1.0.0", "package": {"name": f"random-{seed}"}, "model": {"path": "model.bin"}}
    config_content = canonical.encode(kitfile)
    manifest = Manifest.build(
        config=push_bytes(repository, config_content, CONFIG_TYPE),
        layers=[push_bytes(repository, content, LAYER_TYPE) for content in contents],
        annotations=annotations,
        with_media_type=False,
    )
    descriptor = repository.push_manifest(manifest, tag=tag)
    return BuiltManifest(
        descriptor, manifest, {str(Digest.of(content)): content for content in (config_content, *contents)}
    )


def make_context_dir(path: Path, *, name: str = "tiny", model_bytes: int = 4096, seed: int = 0) -> Path:
    """Write a directory that can be packed: a Kitfile, a model, a data set, code and a README.  Returns ``path``."""
    files = {
        "Kitfile": KITFILE.format(name=name).encode(),
        "model.bin": random_bytes(model_bytes, seed=seed),
        "data/train.csv": b"x,y\n1,2\n3,4\n",
        "code/train.py": b"print('training')\n",
        "README.md": f"# {name}\n".encode(),
    }
    for relative, content in files.items():
        file_path = path / relative
        file_path.parent.mkdir(parents=True, exist_ok=True)
        file_path.write_bytes(content)
    return path


def tar_header(name: str, size: bytes, kind: bytes = tarfile.REGTYPE) -> bytes:
    """Return the header of a tar member with ``size`` as its twelve bytes stand, whatever they say."""
    info = tarfile.TarInfo(name)
    info.type = kind
    header = bytearray(info.tobuf(tarfile.USTAR_FORMAT))
    header[124:136] = size
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)
