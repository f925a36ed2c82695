"""Versions that went on purpose: a signed word that a witness's next checkpoint goes on without them.

Whoever removes a version takes away what a checkpoint lists, as whoever hides something does.  What tells them apart
is a statement by somebody who may, written before anything goes, at a place of its own: the version may take its own
evidence with it.

The witness goes on listing what a removed version had.  So its bytes may come back, and not without the "no" that was
said about them.  A removal excuses nothing else: not what a stage has or had before, and no single statement.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Self

from kitops_orchestration.errors import PromotionError, SignatureError
from kitops_orchestration.lineage.statements.attach import Attached, attach
from kitops_orchestration.oci import media_types
from kitops_orchestration.oci.descriptor import Descriptor, Digest
from kitops_orchestration.oci.manifest import Manifest
from kitops_orchestration.oci.referrers import REMOVALS_TAG
from kitops_orchestration.oci.resolve import resolve_or_none
from kitops_orchestration.oci.tag_guard import allowing
from kitops_orchestration.oci.transfer.source import BytesSource
from kitops_orchestration.promotion.checkpoint.held import witnesses
from kitops_orchestration.promotion.checkpoint.shown import shown
from kitops_orchestration.settings import Limits
from kitops_orchestration.signing.evidence import read_evidence
from kitops_orchestration.signing.predicate_types import REMOVAL
from kitops_orchestration.signing.timestamps import format_timestamp, now

if TYPE_CHECKING:
    from kitops_orchestration.oci.repository import Repository
    from kitops_orchestration.signing.keys import Signer
    from kitops_orchestration.signing.trust import TrustPolicy

ARTIFACT = "application/vnd.kitops-orchestration.removals.v1+json"
_EMPTY = Descriptor(media_types.EMPTY_JSON, Digest.of(b"{}"), 2)


@dataclass(frozen=True, slots=True)
class Removal:
    """Somebody let versions go, with everything that was known of them."""

    predicate_type: ClassVar[str] = REMOVAL

    removed: tuple[str, ...]
    """Manifest digests."""
    reason: str
    created_on: str
    repository: str
    statements: tuple[str, ...]
    """What was known of them, by the names that a checkpoint has for it: what came later is not let go."""

    def to_json(self) -> dict[str, Any]:
        """Return the predicate object."""
        return {
            "removed": list(self.removed),
            "reason": self.reason,
            "createdOn": self.created_on,
            "repository": self.repository,
            "statements": list(self.statements),
        }

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Read a predicate; raises :class:`SignatureError`."""
        try:
            removed, reason, created_on = value["removed"], value["reason"], format_timestamp(value["createdOn"])
            repository, statements = value["repository"], value["statements"]
        except (KeyError, TypeError, AttributeError) as error:
            raise SignatureError(f"a removal lacks a member: {error}") from error
        if not isinstance(removed, list) or not isinstance(statements, list):
            raise SignatureError("a removal has a member that is not of its form")
        if not all(isinstance(item, str) for item in (*removed, *statements, reason, repository)):
            raise SignatureError("a removal has a member that is not of its form")
        return cls(tuple(removed), reason, created_on, repository, tuple(statements))


@dataclass(frozen=True, slots=True)
class Removed:
    """A version that is gone, and who says that it was meant to go."""

    digest: str
    by: str
    reason: str
    statement: str
    """Manifest digest of the removal."""
    let_go: frozenset[str] = frozenset()
    """Names of the evidence that went with it."""

    def to_json(self) -> dict[str, str]:
        """Return all members."""
        return {"digest": self.digest, "by": self.by, "reason": self.reason, "statement": self.statement}


def anchor() -> Manifest:
    """Return the manifest on which removals hang: the same bytes for everybody."""
    return Manifest.build(config=_EMPTY, layers=[_EMPTY], artifact_type=ARTIFACT)


def ensure_anchor(repository: Repository) -> Digest:
    """Put the anchor there where it is missing, and return its digest."""
    made = anchor()
    if resolve_or_none(repository, REMOVALS_TAG) != made.digest:
        repository.push_blob(_EMPTY, BytesSource(b"{}"))
        with allowing(repository, REMOVALS_TAG):
            repository.push_manifest(made, tag=REMOVALS_TAG)
    return made.digest


def is_watched(repository: Repository, trust: TrustPolicy | None) -> bool:
    """Tell whether a witness makes checkpoints of the repository: one request, and one for each witness key."""
    tags = [REMOVALS_TAG, *(witness.tag for witness in (witnesses(trust, now()) if trust else ()))]
    return any(resolve_or_none(repository, tag) is not None for tag in tags)


def require_remover(signer: Signer | None, trust: TrustPolicy | None, *, what: str) -> Signer:
    """Return the key of who removes; raises :class:`PromotionError` where its word would count for nothing."""
    if signer is None:
        raise PromotionError(
            f"a witness watches over {what}, and to remove it needs a key",
            advice="give the key of somebody who may release: a removal that nobody signs is told as a loss",
        )
    judged = trust.judge(signer.public_key, REMOVAL) if trust is not None else None
    if judged is not None and not judged.counts:
        raise PromotionError(
            f"a removal with this key would count for nothing: {judged.reason}",
            advice="give the key of somebody who may release",
        )
    return signer


def say_removed(repository: Repository, digests: Sequence[str], reason: str, signer: Signer) -> Attached:
    """Sign that these versions go; to be said before they do."""
    known = {name for digest in digests for name in shown(repository, digest)}
    statement = Removal(
        tuple(sorted(digests)), reason, format_timestamp(now()), repository.reference.name, tuple(sorted(known))
    )
    return attach(repository, ensure_anchor(repository), statement, signer=signer)


def removals(
    repository: Repository, trust: TrustPolicy, moment: datetime, *, limits: Limits = Limits()
) -> Mapping[str, Removed]:
    """Return the versions whose removal somebody signed who may, by digest; the first of several who did."""
    at = anchor().digest
    listed = repository.referrers(at)
    rule = trust.rule(REMOVAL)
    voices: dict[str, dict[str, Removed]] = {}
    for item in read_evidence(repository, at, trust=trust, at=moment, limits=limits, referrers=listed):
        if item.predicate_type != REMOVAL or not item.is_verified or item.statement is None:
            continue
        try:
            said = Removal.from_json(item.statement.predicate)
        except SignatureError:
            continue
        if said.repository != repository.reference.name:
            continue  # the anchor is the same everywhere: of another repository
        for digest in said.removed:
            name = Removed(
                digest, str(item.signer), said.reason, str(item.descriptor.digest), frozenset(said.statements)
            )
            voices.setdefault(digest, {})[str(item.signer)] = name  # the last word of each
    needed = rule.threshold if rule is not None else 1
    found = {}
    for digest, by in voices.items():
        if len(by) >= needed:
            names = frozenset.intersection(*(one.let_go for one in by.values()))
            found[digest] = replace(next(iter(by.values())), let_go=names)
    return found
