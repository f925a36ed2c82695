"""A folder's repository with thousands of versions and their evidence, written in seconds: ``index.json`` once.

Pushed one by one, each version would write the whole index again, which is the format's price and not what is measured.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from kitops_orchestration.lineage.statements import Metric, Promotion, TestResult
from kitops_orchestration.lineage.statements.attach import attach
from kitops_orchestration.modelkit.layers.media_types import KIT_CONFIG
from kitops_orchestration.oci import media_types
from kitops_orchestration.oci.descriptor import BlobSource, Descriptor, Digest
from kitops_orchestration.oci.layout import index as layout_index
from kitops_orchestration.oci.manifest import Index, Manifest, Node
from kitops_orchestration.oci.reference import Reference, folder_registry
from kitops_orchestration.oci.referrers import describe, fallback_tag
from kitops_orchestration.signing.keys import Signer

LAYER = "application/vnd.kitops.modelkit.model.v1.tar"
STAGE = "production"


class Pile:
    """What :func:`attach` needs of a repository, kept in memory until it is written at once."""

    def __init__(self, registry: Path, name: str) -> None:
        self.reference = Reference(folder_registry(registry), name)
        self.nodes: dict[Digest, Node] = {}
        self.blobs: dict[Digest, bytes] = {}
        self.tags: dict[str, Digest] = {}
        self._referrers: dict[Digest, list[Descriptor]] = {}

    def resolve(self, target: str) -> Descriptor:
        return self.nodes[Digest(target)].descriptor

    def referrers(self, digest: str, *, artifact_type: str | None = None) -> list[Descriptor]:
        found = self._referrers.get(Digest(digest), [])
        return [item for item in found if artifact_type in (None, item.artifact_type)]

    def push_blob(self, descriptor: Descriptor, source: BlobSource) -> bool:
        with source.open() as stream:
            self.blobs[descriptor.digest] = stream.read()
        return True

    def put(self, content: bytes, media_type: str, annotations: Mapping[str, str] | None = None) -> Descriptor:
        digest = Digest.of(content)
        self.blobs[digest] = content
        return Descriptor(media_type, digest, len(content), dict(annotations or {}))

    def push_manifest(self, manifest: Node, *, tag: str | None = None) -> Descriptor:
        self.nodes[manifest.digest] = manifest
        if tag is not None:
            self.tags[tag] = manifest.digest
        if manifest.subject is not None:
            self._referrers.setdefault(manifest.subject.digest, []).append(describe(manifest))
        return manifest.descriptor

    def write(self) -> None:
        """Write the layout as ``LayoutRepository`` would have, push by push."""
        for subject, found in self._referrers.items():
            listed = Index.build(found)
            self.nodes[listed.digest] = listed
            self.tags[fallback_tag(subject)] = listed.digest
        folder = self.reference.layout_dir
        (folder / "blobs" / "sha256").mkdir(parents=True)
        (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
        for digest, content in (*self.blobs.items(), *((node.digest, node.content) for node in self.nodes.values())):
            (folder / "blobs" / "sha256" / digest.hex).write_bytes(content)
        tagged = set(self.tags.values())
        entries = [layout_index.entry_of(node) for digest, node in self.nodes.items() if digest not in tagged]
        for tag, digest in self.tags.items():
            entry = layout_index.entry_of(self.nodes[digest])
            entry["annotations"][media_types.ANNOTATION_REF_NAME] = tag
            entries.append(entry)
        document = {"schemaVersion": 2, "mediaType": media_types.INDEX, "manifests": entries}
        (folder / "index.json").write_text(json.dumps(document, separators=(",", ":")))


def write_versions(registry: Path, count: int, signer: Signer | None, *, name: str = "iris") -> Reference:
    """Write ``count`` versions ``1.0.N``, each with a test result and a promotion; the last is in production."""
    pile = Pile(registry, name)
    place = str(pile.reference.with_tag(STAGE))
    before: Manifest | None = None
    event: str | None = None
    for number in range(count):
        weights = hashlib.sha256(str(number).encode()).digest()
        layer = pile.put(weights, LAYER)
        kitfile = {
            "manifestVersion": "1.0.0",
            "package": {"name": "iris", "version": f"1.0.{number}"},
            "model": {"name": "iris", "path": "model.skops", "digest": layer.digest, "diffId": layer.digest},
        }
        config = pile.put(json.dumps(kitfile).encode(), KIT_CONFIG)
        version = Manifest.build(config=config, layers=[layer], artifact_type=KIT_CONFIG)
        tag = f"1.0.{number}"
        pile.push_manifest(version, tag=tag)
        day = f"2026-01-01T{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}Z"
        tested = TestResult("PASSED", metrics=(Metric("accuracy", "0.95"),), created_on=day)
        promoted = Promotion(
            str(pile.reference.with_tag(tag)),
            place,
            version.digest,
            STAGE,
            timestamp=day,
            previous_digest=before.digest if before else None,
            previous_event=event,
            sequence=number + 1,
        )
        attach(pile, version.digest, tested, signer=signer)  # type: ignore[arg-type]  # it asks no more than a pile has
        event = attach(pile, version.digest, promoted, signer=signer).descriptor.digest  # type: ignore[arg-type]  # the same
        before = version
    if before is not None:
        pile.tags[STAGE] = before.digest
    pile.write()
    return pile.reference
