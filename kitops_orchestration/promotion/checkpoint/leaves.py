"""The leaves of a checkpoint: for each version the sorted set of its evidence, for each stage's tag what it has.

They lie in shards beside the signed root, by the first digits of a digest, so that whoever asks about one version
fetches one shard, whatever the repository holds.  A shard is canonical JSON: equal leaves have equal bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from kitops_orchestration.errors import InvalidReferenceError, SignatureError
from kitops_orchestration.oci.descriptor import Descriptor, Digest
from kitops_orchestration.promotion.stage_tag.anchor import anchor_of
from kitops_orchestration.signing.statement import decode_json

LEAVES = "application/vnd.kitops-orchestration.checkpoint.leaves.v1+json"
PREFIX = "io.github.kitops-orchestration.prefix"
"""The annotation of a shard: the first digits of the digests in it."""
REMOVED = "removed:"
"""Before the digest of a removal, among the names of a version's evidence: it is gone, and that was meant."""
_ONE_SHARD, _SIXTEEN_SHARDS = 500, 8_000
_HEX = "0123456789abcdef"


@dataclass(frozen=True, slots=True)
class TagLeaf:
    """What a stage's tag has."""

    stage: str
    digest: str | None
    head: str | None = None
    """The promotion record that counts of how the version came there."""
    freezes: tuple[str, ...] = ()
    """The freezes that hold."""

    def to_json(self) -> dict[str, Any]:
        """Return the object that a shard has."""
        return {"stage": self.stage, "digest": self.digest, "head": self.head, "freezes": list(self.freezes)}

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Read what :meth:`to_json` wrote; raises :class:`SignatureError`."""
        try:
            stage, digest, head, freezes = (value[name] for name in ("stage", "digest", "head", "freezes"))
        except (KeyError, TypeError) as error:
            raise SignatureError(f"a stage's tag in the checkpoint lacks a member: {error}") from error
        if not isinstance(stage, str) or not all(item is None or isinstance(item, str) for item in (digest, head)):
            raise SignatureError("a stage's tag in the checkpoint has a member that is not text")
        return cls(stage, digest, head, _texts(freezes))


@dataclass(frozen=True, slots=True)
class Leaves:
    """Everything that a checkpoint lists, or one shard of it."""

    digests: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    """Manifest digest (of a version, or of the anchor of a stage's tag) to the sorted names of its evidence."""
    tags: Mapping[str, TagLeaf] = field(default_factory=dict, hash=False)

    @property
    def evidence(self) -> int:
        """How many statements are listed."""
        return sum(len(names_of_evidence(names)) for names in self.digests.values())

    def shards(self) -> dict[str, bytes]:
        """Return prefix to content: one shard up to 500 digests, 16 up to 8,000, else 256; empty ones are left out."""
        count = len(self.digests)
        digits = 0 if count <= _ONE_SHARD else 1 if count <= _SIXTEEN_SHARDS else 2
        parts: dict[str, dict[str, dict[str, Any]]] = {}
        for digest in sorted(self.digests):
            part = parts.setdefault(_prefix(digest, digits), {"digests": {}, "tags": {}})
            part["digests"][digest] = list(self.digests[digest])
        for tag in sorted(self.tags):
            part = parts.setdefault(_prefix(anchor_of(tag).digest, digits), {"digests": {}, "tags": {}})
            part["tags"][tag] = self.tags[tag].to_json()
        return {prefix: _canonical(parts[prefix]) for prefix in sorted(parts)}

    @classmethod
    def of_shards(cls, shards: Iterable[Leaves]) -> Self:
        """Return all of several shards."""
        digests: dict[str, tuple[str, ...]] = {}
        tags: dict[str, TagLeaf] = {}
        for shard in shards:
            digests |= shard.digests
            tags |= shard.tags
        return cls(digests, tags)

    @classmethod
    def parse(cls, content: bytes, prefix: str) -> Self:
        """Read a shard; raises :class:`SignatureError` where it is none, or holds what belongs into another."""
        value = decode_json(content, "the leaves of the checkpoint")
        listed, tags = value.get("digests"), value.get("tags")
        if not isinstance(listed, Mapping) or not isinstance(tags, Mapping):
            raise SignatureError("the leaves of the checkpoint are not of their form")
        try:
            names = [*map(Digest, listed), *(anchor_of(tag).digest for tag in tags)]
        except InvalidReferenceError as error:
            raise SignatureError(f"the leaves of the checkpoint name what is no digest: {error}") from error
        if not all(name.hex.startswith(prefix) for name in names):
            raise SignatureError(f"the leaves of the checkpoint under {prefix!r} hold what belongs elsewhere")
        read = {tag: TagLeaf.from_json(leaf) for tag, leaf in tags.items()}
        return cls({digest: _texts(evidence) for digest, evidence in listed.items()}, read)


def names_of_evidence(listed: Iterable[str]) -> tuple[str, ...]:
    """Return the names that are of evidence, without that of a removal."""
    return tuple(name for name in listed if not name.startswith(REMOVED))


def root_of(shards: Iterable[Descriptor]) -> Digest:
    """Return the digest over the shards' prefixes, digests and sizes: what a witness signs."""
    listed = sorted((shard.annotations.get(PREFIX, ""), str(shard.digest), shard.size) for shard in shards)
    return Digest.of(_canonical(listed))


def shard_for(shards: Mapping[str, Descriptor], digest: str) -> tuple[str, Descriptor] | None:
    """Return prefix and shard in which a digest is, if it is listed at all."""
    for digits in (0, 1, 2):
        prefix = _prefix(digest, digits)
        if prefix in shards:
            return prefix, shards[prefix]
    return None


def by_prefix(layers: Iterable[Descriptor]) -> dict[str, Descriptor]:
    """Return the shards by prefix; raises :class:`SignatureError` for a layer that is none, or two of one prefix."""
    found: dict[str, Descriptor] = {}
    for layer in layers:
        prefix = layer.annotations.get(PREFIX)
        if layer.media_type != LEAVES or prefix is None or prefix in found or set(prefix) - set(_HEX):
            raise SignatureError("the checkpoint has a layer that is no shard of its leaves")
        found[prefix] = layer
    if len({len(prefix) for prefix in found}) > 1:
        raise SignatureError("the checkpoint has shards of different lengths")
    return found


def _prefix(digest: str, digits: int) -> str:
    return Digest(digest).hex[:digits]


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":")).encode()


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise SignatureError("the leaves of the checkpoint have a list that is not of text")
    return tuple(value)
