"""Retention: old versions of a repository go; what somebody relies on stays, whatever its age.

A version is a digest with every tag that points at it, and it goes as a whole or not at all.

    >>> RetentionRule(matches="dev-*", keep_last=3).describe()
    "of 'dev-*' the newest 3 stay"
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypedDict

from kitops_orchestration.cancel import check_cancelled
from kitops_orchestration.errors import (
    CheckFailedError,
    InvalidReferenceError,
    NotFoundError,
    RegistryResponseError,
    TagOwnedError,
)
from kitops_orchestration.lineage.answers.deployment import POINTER
from kitops_orchestration.oci.descriptor import Digest
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.repository import ManifestRemover
from kitops_orchestration.oci.resolve import tags_by_digest
from kitops_orchestration.oci.tag_guard import allowing, check_tag
from kitops_orchestration.oci.tag_selector import TagSelector, precedence
from kitops_orchestration.presentation.answer import Answer
from kitops_orchestration.presentation.page import Code, Page, Paragraph, Table
from kitops_orchestration.promotion.checkpoint.removal import is_watched, require_remover, say_removed
from kitops_orchestration.promotion.retention.evidence_of import evidence_of
from kitops_orchestration.promotion.retention.held_versions import HeldVersion, held_versions
from kitops_orchestration.promotion.retention.holds import Holds, parents
from kitops_orchestration.settings import Limits
from kitops_orchestration.signing.timestamps import now

if TYPE_CHECKING:
    from kitops_orchestration.oci.repository import Repository
    from kitops_orchestration.promotion.rules.policy import PromotionPolicy
    from kitops_orchestration.signing.keys import Signer
    from kitops_orchestration.signing.trust import TrustPolicy

_MOST_DAYS = 100_000
_ADVICE = "say how many of the newest to keep (keep_last), for how many days (keep_days), or both"


@dataclass(frozen=True, slots=True)
class RetentionRule:
    """Which versions may go.

    A version may go when every tag of it matches, and when neither ``keep_last`` nor ``keep_days`` keeps it.
    Newest is the highest where all matching tags are semantic versions, else what was made last.
    """

    matches: str
    """A pattern (``dev-*``) or a range of versions (``<2``), as :class:`TagSelector` reads it."""
    keep_last: int | None = None
    keep_days: float | None = None
    """Days since the ModelKit, or the newest statement on it, says it was made."""
    keep_tags: tuple[str, ...] = ("latest",)
    """Names, patterns or ranges of tags whose versions stay: the channels that people follow."""

    def __post_init__(self) -> None:
        if self.keep_last is None and self.keep_days is None:
            raise InvalidReferenceError("a retention rule that keeps nothing", advice=_ADVICE)
        for name, value in (("keep_last", self.keep_last), ("keep_days", self.keep_days)):
            if value is not None and not value >= 0:
                raise InvalidReferenceError(f"{name} is {value}", advice="use 0 or more")
        if self.keep_days is not None and self.keep_days > _MOST_DAYS:
            raise InvalidReferenceError(f"keep_days is {self.keep_days:g}", advice=f"use {_MOST_DAYS} or less")
        for text in (self.matches, *self.keep_tags):
            TagSelector.parse(text)

    def describe(self) -> str:
        """Return the rule in a few words."""
        kept = [f"the newest {self.keep_last}"] if self.keep_last is not None else []
        kept += [f"those of the last {self.keep_days:g} days"] if self.keep_days is not None else []
        return f"of {self.matches!r} {' and '.join(kept)} stay"


@dataclass(frozen=True, slots=True)
class RetainedVersion:
    """What was decided about one version."""

    digest: Digest
    tags: tuple[str, ...]
    is_kept: bool
    reason: str
    made_on: datetime | None
    last_heard_of: datetime | None

    def to_json(self) -> dict[str, Any]:
        """Return all members."""
        return {
            "digest": self.digest,
            "tags": list(self.tags),
            "isKept": self.is_kept,
            "reason": self.reason,
            "madeOn": self.made_on and self.made_on.isoformat(),
            "lastHeardOf": self.last_heard_of and self.last_heard_of.isoformat(),
        }


@dataclass(frozen=True, slots=True)
class RetentionResult(Answer):
    """What went, or would go, and why the rest stays."""

    repository: Reference
    is_dry_run: bool
    rule: RetentionRule
    versions: tuple[RetainedVersion, ...]
    """Those with a matching tag, newest first; then the others."""

    @property
    def removed(self) -> tuple[RetainedVersion, ...]:
        """The versions that are gone, or would be."""
        return tuple(version for version in self.versions if not version.is_kept)

    @property
    def kept(self) -> tuple[RetainedVersion, ...]:
        """The versions that stay."""
        return tuple(version for version in self.versions if version.is_kept)

    def to_json(self) -> dict[str, Any]:
        """Return everything, ready for ``json.dumps``."""
        return {
            "reference": str(self.repository),
            "repository": str(self.repository),
            "isDryRun": self.is_dry_run,
            "rule": self.rule.describe(),
            "removed": [version.to_json() for version in self.removed],
            "kept": [version.to_json() for version in self.kept],
        }

    def page(self) -> Page:
        """Return every version, with what happens to it and why."""
        gone = "would go" if self.is_dry_run else "gone"
        rows = [
            ("stays" if item.is_kept else gone, ", ".join(item.tags), Code(item.digest.short), item.reason)
            for item in (*self.removed, *self.kept)
        ]
        opening = f"{len(self.removed)} {gone}, {len(self.kept)} stay: {self.rule.describe()}."
        return Page.of(
            f"Retention in {self.repository}",
            Paragraph.of(opening),
            Table.of(("version", "tags", "digest", "why"), rows),
        )


class RetainOptions(TypedDict, total=False):
    """What :func:`retain` takes by name and a client or an adapter hands through."""

    signer: Signer | None
    trust: TrustPolicy | None
    dry_run: bool
    at: datetime | None
    limits: Limits
    cancel: threading.Event | None


def retain(
    repository: Repository,
    rule: RetentionRule,
    *,
    policy: PromotionPolicy | None = None,
    signer: Signer | None = None,
    trust: TrustPolicy | None = None,
    dry_run: bool = False,
    at: datetime | None = None,
    limits: Limits = Limits(),
    cancel: threading.Event | None = None,
) -> RetentionResult:
    """Let the versions go that the rule does not keep, with the evidence on them.

    Never goes: what a stage's tag points at (by the policy, or by a promotion record), and what that stage had
    before; what an immutable tag of the policy or a tag outside of the rule points at; what is on record as
    deployed; what a version that stays names as its parent; what an index lists; what is no ModelKit; and what
    nobody knows the age of.

    Versions go one after another, each with all its tags in one step, and its evidence after it.  All tags are looked
    at once more before the first goes, and the evidence of each right before it does; a version that got another tag
    or statement meanwhile stays.  Space becomes free when the registry collects its garbage, or by ``prune`` in a
    folder.

    Args:
        repository: where.
        rule: what may go.
        policy: its stages and immutable tags hold what they point at.
        trust: with it, only a verified record says that something is no longer deployed.
        dry_run: decide, and remove nothing.
        at: what counts as now.
        limits: bounds the requests made at the same time.
        cancel: stops before the next version.

    Raises:
        RegistryResponseError: the registry deletes nothing.
        PromotionError: a witness watches, and the key may not remove.
    """
    if not dry_run and not isinstance(repository, ManifestRemover):
        raise RegistryResponseError(
            f"{repository.reference} is read only", operation="retain", reference=str(repository.reference)
        )
    versions = held_versions(repository, trust=trust, limits=limits)
    held = Holds(repository.reference, versions, policy, trust is not None).reasons()
    decided = _Decision(rule, repository.reference, versions, held, at or now()).verdicts()
    if any(not verdict.is_kept for verdict in decided):
        known = {version.digest: {item.descriptor.digest for item in version.evidence} for version in versions}
        goes = _Removal(repository, known, rule, signer, trust, cancel)
        decided = goes.planned(decided)
        if not dry_run:
            decided = goes.done(decided, tags_by_digest(repository, limits=limits))
    return RetentionResult(repository.reference, dry_run, rule, tuple(decided))


class _Decision:
    """Decides about every version; changes nothing."""

    def __init__(
        self,
        rule: RetentionRule,
        repository: Reference,
        versions: Sequence[HeldVersion],
        held: Mapping[str, str],
        moment: datetime,
    ) -> None:
        self._rule = rule
        self._repository = repository
        self._selector = TagSelector.parse(rule.matches)
        self._keep = [TagSelector.parse(text) for text in rule.keep_tags]
        self._held = held
        self._moment = moment
        self._all = versions
        meant = [version for version in versions if any(map(self._selector.matches, version.tags))]
        self._ranked, self._unknown = self._by_age(meant)
        digests = {version.digest for version in meant}
        self._others = [version for version in versions if version.digest not in digests]

    def verdicts(self) -> list[RetainedVersion]:
        """Return what is to happen, newest first; then what the rule is not about."""
        reasons = {version.digest: self._why_kept(version, rank) for rank, version in enumerate(self._ranked)}
        reasons |= {version.digest: self._why_held(version) or "its age is not known" for version in self._unknown}
        reasons |= {version.digest: self._why_other(version) for version in self._others}
        self._keep_parents(reasons)
        return [
            RetainedVersion(
                version.digest,
                version.tags,
                reasons[version.digest] is not None,
                reasons[version.digest] or self._why_gone(),
                version.made_on,
                version.last_heard_of,
            )
            for version in (*self._ranked, *self._unknown, *self._others)
        ]

    def _by_age(self, meant: list[HeldVersion]) -> tuple[list[HeldVersion], list[HeldVersion]]:
        ranks = {version.digest: self._rank(version) for version in meant}
        if all(rank is not None for rank in ranks.values()):
            return sorted(meant, key=lambda version: ranks[version.digest] or (), reverse=True), []
        known = [version for version in meant if version.made_on is not None]
        known.sort(key=lambda version: (version.made_on, version.tags), reverse=True)
        return known, [version for version in meant if version.made_on is None]

    def _rank(self, version: HeldVersion) -> tuple[Any, ...] | None:
        found = [precedence(tag) for tag in version.tags if self._selector.matches(tag)]
        return max((rank for rank in found if rank is not None), default=None)

    def _why_kept(self, version: HeldVersion, rank: int) -> str | None:
        return self._why_held(version) or self._why_young(version, rank)

    def _why_held(self, version: HeldVersion) -> str | None:
        if version.kit is None:
            return "it is no ModelKit"
        if version.digest in self._held:
            return self._held[version.digest]
        for tag in version.tags:
            if tag.startswith(POINTER):
                continue  # judged by the records of deployments
            if any(selector.matches(tag) for selector in self._keep):
                return f"tag {tag} is kept"
            if not self._selector.matches(tag):
                return f"it is {tag} too"
        return None

    def _why_young(self, version: HeldVersion, rank: int) -> str | None:
        if self._rule.keep_last is not None and rank < self._rule.keep_last:
            return f"among the newest {self._rule.keep_last}"
        if self._rule.keep_days is None:
            return None
        heard = version.last_heard_of
        if heard is None:
            return "its age is not known"
        return (
            f"younger than {self._rule.keep_days:g} days"
            if heard > self._moment - timedelta(days=self._rule.keep_days)
            else None
        )

    def _why_other(self, version: HeldVersion) -> str:
        return self._held.get(version.digest) or f"no tag of it matches {self._rule.matches!r}"

    def _why_gone(self) -> str:
        parts = [f"not among the newest {self._rule.keep_last}"] if self._rule.keep_last is not None else []
        parts += [f"older than {self._rule.keep_days:g} days"] if self._rule.keep_days is not None else []
        return ", ".join(parts)

    def _keep_parents(self, reasons: dict[Digest, str | None]) -> None:
        waiting = [version for version in self._all if reasons[version.digest] is not None]
        by_digest = {version.digest: version for version in self._all}
        while waiting:
            child = waiting.pop()
            for digest in parents(child, self._all, self._repository):
                if reasons[digest] is None:
                    reasons[digest] = f"{child.tags[0]} stands on it"
                    waiting.append(by_digest[digest])


@dataclass(frozen=True, slots=True)
class _Removal:
    """Takes versions away, with what is known of them."""

    repository: Repository
    known: Mapping[Digest, Collection[Digest]]
    """The evidence that was there when it was decided."""
    rule: RetentionRule
    signer: Signer | None
    trust: TrustPolicy | None
    cancel: threading.Event | None

    def planned(self, decided: list[RetainedVersion]) -> list[RetainedVersion]:
        """Keep what a witness watches over where nobody signs that it goes."""
        if not self._is_watched():
            return decided
        known = {item.digest for item in decided if not item.is_kept and self._evidence(item)}
        if self.signer is not None:
            if known:
                require_remover(self.signer, self.trust, what=self.repository.reference.name)
            return decided
        why = "a witness lists what is known of it, and no key was given to sign that it goes"
        return [replace(item, is_kept=True, reason=why) if item.digest in known else item for item in decided]

    def done(self, decided: list[RetainedVersion], present: Mapping[Digest, tuple[str, ...]]) -> list[RetainedVersion]:
        """Look once more, say what goes, and let it go."""
        ready = [self._if_unchanged(item, present) for item in decided]
        if self.signer is not None and self._is_watched():
            said = [str(item.digest) for item in ready if not item.is_kept and self._evidence(item)]
            if said:
                say_removed(self.repository, said, f"retention: {self.rule.describe()}", self.signer)
        return [self._remove(item, present) for item in ready]

    def _is_watched(self) -> bool:
        return is_watched(self.repository, self.trust)

    def _evidence(self, verdict: RetainedVersion) -> list[Digest]:
        return evidence_of(self.repository, verdict.digest, self.repository.referrers(verdict.digest))

    def _if_unchanged(self, verdict: RetainedVersion, present: Mapping[Digest, tuple[str, ...]]) -> RetainedVersion:
        if verdict.is_kept:
            return verdict
        if present.get(verdict.digest) != verdict.tags:
            return replace(verdict, is_kept=True, reason="its tags changed while this ran")
        try:
            for tag in verdict.tags:
                check_tag(self.repository, getattr(self.repository, "guard", None), tag)
        except (TagOwnedError, CheckFailedError) as error:
            return replace(verdict, is_kept=True, reason=str(error))
        return verdict

    def _remove(self, verdict: RetainedVersion, present: Mapping[Digest, tuple[str, ...]]) -> RetainedVersion:
        if verdict.is_kept:
            return verdict
        check_cancelled(self.cancel)
        referrers = self.repository.referrers(verdict.digest)
        if any(item.digest not in self.known[verdict.digest] for item in referrers):
            # Whoever promotes or deploys it says so before a tag moves.
            return replace(verdict, is_kept=True, reason="its evidence changed while this ran")
        found = evidence_of(self.repository, verdict.digest, referrers)
        evidence = [digest for digest in found if digest not in present]
        remover: Any = self.repository  # a ManifestRemover, as was asked before
        with allowing(self.repository, verdict.digest, *evidence):  # who holds it was looked up before
            remover.delete_manifest(verdict.digest)
            for digest in evidence:
                try:
                    remover.delete_manifest(digest)
                except NotFoundError:
                    continue  # some registries remove referrers with their subject
        return verdict
