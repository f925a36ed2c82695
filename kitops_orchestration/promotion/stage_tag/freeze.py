"""Freeze a stage: nothing is promoted into it until somebody thaws it, and the registry says who and why.

The statement hangs on the anchor of the stage's tag: it outlives the version, the tag, and whatever retention takes.
A thaw names the freezes that it ends, so that no clock decides; a freeze that nobody named holds.  Freezes that older
releases attached to the digest of a version hold while that is what the stage has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypedDict

from kitops_orchestration.errors import PromotionError, SignatureError
from kitops_orchestration.lineage.statements.attach import Attached, attach
from kitops_orchestration.oci.resolve import resolve_or_none
from kitops_orchestration.promotion.predicate_types import FREEZE
from kitops_orchestration.promotion.stage_tag.anchor import at_anchor, ensure_anchor
from kitops_orchestration.settings import Limits
from kitops_orchestration.signing.evidence import Evidence, read_evidence
from kitops_orchestration.signing.timestamps import format_timestamp, now, parse_timestamp

if TYPE_CHECKING:
    from kitops_orchestration.oci.descriptor import Digest
    from kitops_orchestration.oci.repository import Repository
    from kitops_orchestration.signing.keys import Signer
    from kitops_orchestration.signing.trust import TrustPolicy


@dataclass(frozen=True, slots=True)
class Freeze:
    """A stage was closed or opened again."""

    predicate_type: ClassVar[str] = FREEZE

    stage: str
    is_frozen: bool
    reason: str
    created_on: str
    by: str | None = None
    ends: tuple[str, ...] = ()
    """Manifest digests of the freezes that a thaw ends."""

    def to_json(self) -> dict[str, Any]:
        """Return the predicate object."""
        value = {
            "stage": self.stage,
            "action": "frozen" if self.is_frozen else "thawed",
            "reason": self.reason,
            "createdOn": format_timestamp(self.created_on),
            "by": self.by,
            "ends": list(self.ends) or None,
        }
        return {key: item for key, item in value.items() if item is not None}

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Read a predicate; raises :class:`SignatureError`."""
        try:
            action = value["action"]
            if action not in ("frozen", "thawed"):
                raise SignatureError(f"a freeze says neither frozen nor thawed but {action!r}")
            moment = format_timestamp(value["createdOn"])
            ends = value.get("ends") or []
            if not isinstance(ends, list) or not all(isinstance(name, str) for name in ends):
                raise SignatureError("ends of a thaw is not a list of text")
            return cls(value["stage"], action == "frozen", value["reason"], moment, value.get("by"), tuple(ends))
        except (KeyError, TypeError, AttributeError) as error:
            raise SignatureError(f"a freeze lacks a member: {error}") from error


class FreezeOptions(TypedDict, total=False):
    """What :func:`freeze` takes by name and a client or an adapter hands through."""

    is_frozen: bool
    signer: Signer | None
    by: str | None
    created_on: str | None


def freeze(
    repository: Repository,
    stage: str,
    *,
    reason: str,
    tag: str | None = None,
    is_frozen: bool = True,
    signer: Signer | None = None,
    by: str | None = None,
    created_on: str | None = None,
) -> Attached:
    """Close a stage (``is_frozen=False`` opens it again), also while it is empty.

    ``created_on`` is now unless given.  Raises :class:`PromotionError` without a reason.
    """
    if not reason.strip():
        raise PromotionError(f"freezing {stage} needs a reason", advice="say why, for those who meet the freeze")
    tag = tag or stage
    found = _words(repository, stage, tag, resolve_or_none(repository, tag))
    moment = format_timestamp(created_on) if created_on else _after_the_last(repository, found, stage)
    ends = () if is_frozen else tuple(sorted(word.event for word in found if word.said.is_frozen))
    statement = Freeze(stage, is_frozen, reason, moment, by, ends)
    return attach(repository, ensure_anchor(repository, tag), statement, signer=signer)


def _after_the_last(repository: Repository, found: Sequence[_Word], stage: str) -> str:
    """Now, or a second after the last word on the stage, for readers that look at times."""
    try:
        earlier = [parse_timestamp(word.said.created_on) + timedelta(seconds=1) for word in found]
        return format_timestamp(max([now(), *earlier]))
    except OverflowError as error:
        raise PromotionError(
            f"a freeze of {stage} is dated at the end of time, so that nothing can come after it",
            advice=f"remove that statement from {repository.reference.name}: kitctl timeline shows it",
        ) from error


def why_frozen(
    repository: Repository,
    stage: str,
    tag: str,
    current: Digest | None,
    *,
    trust: TrustPolicy | None = None,
    limits: Limits = Limits(),
) -> str | None:
    """Return why nothing may enter the stage now, or ``None`` when it is open.

    With a trust policy anybody's freeze holds, and only a thaw that counts opens: both fail closed.
    """
    words = _words(repository, stage, tag, current, trust=trust, limits=limits)
    return _why(words)


def standing_freezes(
    repository: Repository, stage: str, tag: str, *, trust: TrustPolicy | None = None, limits: Limits = Limits()
) -> tuple[str, ...]:
    """Return the manifest digests of the freezes on the tag's anchor that no thaw that counts has ended, sorted."""
    words = _words(repository, stage, tag, None, trust=trust, limits=limits)
    ended = {name for word in words if word.opens for name in word.said.ends}
    return tuple(sorted(word.event for word in words if word.said.is_frozen and word.event not in ended))


def any_freeze(repository: Repository, tag: str, *, limits: Limits = Limits()) -> tuple[str, str] | None:
    """Return a stage that is frozen at the tag, and why, for who knows of no stage; anybody's thaw opens here."""
    said = [item for item in map(_any_stage, at_anchor(repository, tag, {FREEZE}, limits=limits)) if item is not None]
    for stage in sorted({item.stage for item in said}):
        why = _why(_words(repository, stage, tag, None, limits=limits))
        if why is not None:
            return stage, why
    return None


def _any_stage(item: Evidence) -> Freeze | None:
    if item.statement is None or not item.is_about_subject:
        return None
    try:
        return Freeze.from_json(item.statement.predicate)
    except SignatureError:
        return None


def _why(words: Sequence[_Word]) -> str | None:
    """The newest freeze among a stage's words that nothing ended."""
    ended = {name for word in words if word.opens for name in word.said.ends}
    for word in reversed(words):
        said = word.said
        if said.is_frozen and word.event not in ended and not _is_ended_by_its_time(word, words):
            return f"frozen since {said.created_on}: {said.reason}" + (f" ({said.by})" if said.by else "")
    return None


@dataclass(frozen=True, slots=True)
class _Word:
    """A freeze or a thaw that was found."""

    said: Freeze
    event: str
    counts: bool
    is_on_version: bool
    """True for one of an older release, which names nothing: there the later of two words is the last."""

    @property
    def opens(self) -> bool:
        return self.counts and not self.said.is_frozen


def _words(
    repository: Repository,
    stage: str,
    tag: str,
    current: Digest | None,
    *,
    trust: TrustPolicy | None = None,
    limits: Limits = Limits(),
) -> list[_Word]:
    """Everything that was said about the stage, oldest first."""
    on_anchor = at_anchor(repository, tag, {FREEZE}, trust=trust, limits=limits)
    on_version: list[Evidence] = []
    if current is not None:
        # All of it: a list may call a freeze by another type.
        listed = repository.referrers(current)
        found_there = read_evidence(repository, current, trust=trust, limits=limits, referrers=listed)
        on_version = [item for item in found_there if item.predicate_type == FREEZE]
    found = []
    for item, is_on_version in [*((item, False) for item in on_anchor), *((item, True) for item in on_version)]:
        said = _read(item, stage)
        if said is not None:
            counts = trust is None or item.is_verified
            found.append(_Word(said, str(item.descriptor.digest), counts, is_on_version))
    return sorted(found, key=lambda word: (word.said.created_on, word.event))


def _is_ended_by_its_time(word: _Word, words: Sequence[_Word]) -> bool:
    """An old freeze, by a later thaw beside it; of two in the same second the freeze is the last."""
    return word.is_on_version and any(
        other.opens and other.is_on_version and not other.said.ends and other.said.created_on > word.said.created_on
        for other in words
    )


def _read(item: Evidence, stage: str) -> Freeze | None:
    said = _any_stage(item)
    return said if said is not None and said.stage == stage else None
