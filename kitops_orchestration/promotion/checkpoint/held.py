"""A checkpoint that was read: found by the witness's key, its signature good, its leaves those of its root.

The verifier knows the witnesses' keys, so it asks for each one's tag by name: no listing, and nothing that somebody
without the role signed is ever looked at.  Shards are fetched when somebody asks about a digest in them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from kitops_orchestration.errors import NotFoundError, SignatureError
from kitops_orchestration.oci.manifest import Manifest
from kitops_orchestration.oci.referrers import CHECKPOINT_PREFIX
from kitops_orchestration.promotion.checkpoint.leaves import (
    Leaves,
    TagLeaf,
    by_prefix,
    names_of_evidence,
    root_of,
    shard_for,
)
from kitops_orchestration.promotion.checkpoint.memory import Seen
from kitops_orchestration.promotion.checkpoint.statement import CheckpointStatement
from kitops_orchestration.promotion.stage_tag.anchor import anchor_of
from kitops_orchestration.signing.attached_bytes import read_blob
from kitops_orchestration.signing.bundle import Bundle
from kitops_orchestration.signing.predicate_types import CHECKPOINT
from kitops_orchestration.signing.timestamps import CLOCK_SKEW, format_timestamp, parse_timestamp
from kitops_orchestration.signing.trusted_time.authority import proven_time

if TYPE_CHECKING:
    from kitops_orchestration.oci.descriptor import Descriptor, Digest
    from kitops_orchestration.oci.repository import Repository
    from kitops_orchestration.signing.keys import PublicKey
    from kitops_orchestration.signing.trust import TrustPolicy

ARTIFACT = "application/vnd.kitops-orchestration.checkpoint.v1+json"


@dataclass(frozen=True, slots=True)
class Witness:
    """Somebody whose checkpoints count, and the key."""

    identity: str
    key: PublicKey

    @property
    def tag(self) -> str:
        """The tag at which checkpoints of this key are: one for each key, so that no two ever write one tag."""
        return checkpoint_tag(self.key)


@dataclass(frozen=True, slots=True)
class Held:
    """A checkpoint whose signature and root are good; how old it is nobody has asked yet."""

    repository: Repository = field(repr=False)
    witness: Witness
    said: CheckpointStatement
    root: Digest
    manifest: Digest
    shards: Mapping[str, Descriptor]
    stamped_by: str | None = None
    """The time-stamp authority that proves when it was made."""
    _read: dict[str, Leaves] = field(default_factory=dict, repr=False)

    @property
    def shown(self) -> str:
        """How people call it."""
        return f"checkpoint {self.said.version} by {self.witness.identity}"

    @property
    def seen(self) -> Seen:
        """What is remembered of it."""
        return Seen(self.said.version, self.root, self.manifest)

    def evidence_of(self, digest: str) -> tuple[str, ...] | None:
        """Return the names of the evidence that is listed for a digest, or ``None`` where the digest is not listed.

        Raises:
            SignatureError, NotFoundError: the leaves are gone, or are not of their form.
        """
        listed = self._shard(digest).digests.get(digest)
        return None if listed is None else names_of_evidence(listed)

    def tag(self, tag: str) -> TagLeaf | None:
        """Return what is listed of a stage's tag."""
        return self._shard(anchor_of(tag).digest).tags.get(tag)

    def leaves(self) -> Leaves:
        """Return everything that is listed: for the witness, who makes the next."""
        return Leaves.of_shards(self._fetch(prefix, shard) for prefix, shard in self.shards.items())

    def _shard(self, digest: str) -> Leaves:
        found = shard_for(self.shards, digest)
        return Leaves() if found is None else self._fetch(*found)

    def _fetch(self, prefix: str, shard: Descriptor) -> Leaves:
        if prefix not in self._read:
            self._read[prefix] = Leaves.parse(read_blob(self.repository, shard), prefix)
        return self._read[prefix]


def checkpoint_tag(key: PublicKey) -> str:
    """Return the tag of a witness key's checkpoints."""
    return CHECKPOINT_PREFIX + hashlib.sha256(key.der).hexdigest()[:16]


def witnesses(trust: TrustPolicy, moment: datetime) -> list[Witness]:
    """Return the keys whose checkpoints count now."""
    return [
        Witness(identity.id, trusted.public_key)
        for identity in trust.identities
        for trusted in identity.keys
        if trust.judge(trusted.public_key, CHECKPOINT, at=moment).counts
    ]


def read_checkpoint(
    repository: Repository, witness: Witness, trust: TrustPolicy, moment: datetime, *, target: str | None = None
) -> Held | None:
    """Return a witness's checkpoint of the repository, at its tag unless a digest is given; ``None`` without one.

    Two requests, for the manifest and the signed statement; fewer where they are cached.

    Raises:
        SignatureError: what is there is none, is signed by somebody else, is of another repository, or its leaves are
            not those that were signed.
    """
    try:
        node = repository.fetch_manifest(target or witness.tag)
    except NotFoundError:
        return None
    if not isinstance(node, Manifest) or node.artifact_type != ARTIFACT or not node.layers:
        raise SignatureError(f"at {witness.tag} is no checkpoint")
    bundle = Bundle.parse(read_blob(repository, node.layers[0]))
    if bundle.verify([witness.key]) is None:
        raise SignatureError(f"the checkpoint at {witness.tag} is not signed by {witness.identity}")
    statement = bundle.statement()
    if statement.predicate_type != CHECKPOINT:
        raise SignatureError(f"at {witness.tag} is a signed statement that is no checkpoint")
    said, root = CheckpointStatement.from_json(statement.predicate), root_of(node.layers[1:])
    judged = trust.judge(witness.key, CHECKPOINT, at=moment, claimed=parse_timestamp(said.issued_on))
    if not judged.counts:
        raise SignatureError(f"checkpoint {said.version} does not count: {judged.reason}")
    proven = proven_time(bundle.signature, bundle.timestamps, trust.time_authorities)
    if proven.moment is not None and abs(proven.moment - parse_timestamp(said.issued_on)) > CLOCK_SKEW:
        stamped = f"{proven.authority} stamped it {format_timestamp(proven.moment)}"
        raise SignatureError(f"checkpoint {said.version} says that it is of {said.issued_on}, and {stamped}")
    name = repository.reference.name
    if said.repository != name or [item.name for item in statement.subject] != [name]:
        raise SignatureError(f"checkpoint {said.version} is one of {said.repository}, and not of {name}")
    if not statement.is_about(root):
        raise SignatureError(f"the leaves of checkpoint {said.version} are not those that {witness.identity} signed")
    return Held(repository, witness, said, root, node.digest, by_prefix(node.layers[1:]), proven.authority)
