"""The check ``checkpoint``: everything that a witness's checkpoint lists is still there.

Asked about one version, what its stages have, and what it is compared with: a number of requests that does not grow
with what the repository holds.  What is younger than the checkpoint is not listed, and so can still be hidden.
"""

# What has to stay true:
#
# - What is remembered is only what is signed, and before its age is judged: an old checkpoint that is put back must
#   meet the memory of the new one.
# - Lists of several witnesses are joined: one that was rolled back takes nothing from what the others list.
# - A registry that is away is no verdict: errors that may pass are raised.

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from kitops_orchestration.errors import KitOpsError
from kitops_orchestration.lineage.statements.verdict import SeenCheckpoint
from kitops_orchestration.oci.descriptor import Digest
from kitops_orchestration.oci.resolve import resolve_or_none
from kitops_orchestration.promotion.checkpoint.held import Held, Witness, read_checkpoint, witnesses
from kitops_orchestration.promotion.checkpoint.memory import CheckpointMemory, FileMemory, Seen, recall, remember
from kitops_orchestration.promotion.checkpoint.shown import described, is_of_older_form, shown
from kitops_orchestration.promotion.checkpoint.stage_tags import leads_on
from kitops_orchestration.promotion.stage_tag.anchor import anchor_of
from kitops_orchestration.settings import Limits
from kitops_orchestration.signing.timestamps import CLOCK_SKEW, parse_timestamp

if TYPE_CHECKING:
    from kitops_orchestration.lineage.statements import Promotion
    from kitops_orchestration.lineage.statements.recorded import Recorded
    from kitops_orchestration.oci.repository import Repository
    from kitops_orchestration.promotion.rules.checkpoint_rule import CheckpointRule
    from kitops_orchestration.signing.trust import TrustPolicy

_MOST_NAMED = 5
"""How many missing statements are described in one line; the rest is counted."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of one repository's checkpoint."""

    repository: Repository
    digest: str | None = None
    """The version on its way; ``None`` where an empty stage is asked about."""
    tags: tuple[tuple[str, str], ...] = ()
    """Stage and tag of those that are in this repository and decide."""
    compared: tuple[str, ...] = ()
    """Other versions here that decide: those that the version has to be as good as."""
    restores: str | None = None
    """The tag that the version is about to get: it may put back what that had."""


@dataclass(slots=True)
class Verdict:
    """What was found in all of the repositories."""

    problems: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    manifests: list[str] = field(default_factory=list)
    seen: list[SeenCheckpoint] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """True where nothing is missing and the checkpoints are good."""
        return not self.problems

    @property
    def words(self) -> str:
        """What was found, for people."""
        return "; ".join(dict.fromkeys(self.problems or self.told))


@dataclass(frozen=True, slots=True)
class RecordedNumber:
    """The highest number of a witness's checkpoint that a promotion on record saw."""

    version: int
    record: str
    """Manifest digest of the promotion's record."""
    signer: str | None

    @property
    def told(self) -> str:
        """Who says so, for people who have to find out whether that is true."""
        return (
            f"a promotion on record saw number {self.version} (record {self.record} by {self.signer or 'nobody known'})"
        )


def recorded_numbers(promotions: Iterable[Recorded[Promotion]]) -> dict[str, RecordedNumber]:
    """Return the highest numbers that promotions on record saw, by the place of the witness's tag.

    Only records that are signed by somebody who is trusted today: who wrote a number that never was loses the say with
    the role, or with the key.
    """
    least: dict[str, RecordedNumber] = {}
    for record in promotions:
        verdict = record.predicate.verdict if record.evidence.is_verified else None
        for seen in verdict.checkpoints if verdict is not None else ():
            if seen.place not in least or least[seen.place].version < seen.version:
                manifest = str(record.evidence.descriptor.digest)
                least[seen.place] = RecordedNumber(seen.version, manifest, record.evidence.signer)
    return least


@dataclass(frozen=True, slots=True)
class Verifier:
    """What all questions of one verdict share."""

    rule: CheckpointRule
    trust: TrustPolicy
    moment: datetime
    memory: CheckpointMemory = field(default_factory=FileMemory)
    limits: Limits = Limits()
    least: Mapping[str, RecordedNumber] = field(default_factory=dict)
    """The numbers that promotions on record saw, by the place of the witness's tag."""

    def verdict(self, questions: Iterable[Asked]) -> Verdict:
        """Ask the checkpoints of each repository."""
        found = Verdict()
        for asked in questions:
            try:
                self._ask(asked, found)
            except KitOpsError as error:
                if error.transient:
                    raise
                found.problems.append(f"{asked.repository.reference.name}: {error}")
        return found

    def _ask(self, asked: Asked, found: Verdict) -> None:
        good, problems = self._good(asked.repository)
        name = asked.repository.reference.name
        voices = {held.witness.identity for held in good}
        if len(voices) < self.rule.witnesses or any(is_final for _, is_final in problems):
            needed = f"{self.rule.witnesses} witnesses are needed" if self.rule.witnesses > 1 else ""
            told = [text for text, _ in problems] or ([] if good else ["the trust policy names no witness"])
            found.problems.append(f"{name}: {'; '.join(filter(None, [*told, needed]))}")
        found.manifests += [str(held.manifest) for held in good]
        found.seen += [
            SeenCheckpoint(place_of(held.repository, held.witness), held.said.version, str(held.root)) for held in good
        ]
        for held in good:
            missing = [*self._missing(held, asked), *self._moved(held, asked)]
            found.problems += [f"{name}: {text}" for text in missing]
            stamp = f", time-stamped by {held.stamped_by}" if held.stamped_by else ""
            young = self._if_younger(held, asked, found)
            found.told.append(f"{name}: {held.shown} of {held.said.issued_on}{stamp}{young}")

    def _good(self, repository: Repository) -> tuple[list[Held], list[tuple[str, bool]]]:
        """The checkpoints that count; and what is wrong with others, with whether that is never outweighed."""
        good: list[Held] = []
        problems: list[tuple[str, bool]] = []
        known = recall(self.memory, repository.reference.name)
        for witness in witnesses(self.trust, self.moment):
            seen = known.get(witness.tag)
            least = self.least.get(place_of(repository, witness))
            was_there = seen is not None or least is not None
            try:
                held = read_checkpoint(repository, witness, self.trust, self.moment)
            except KitOpsError as error:
                if error.transient:
                    raise
                problems.append((str(error), was_there))
                continue
            if held is None:
                problems.append((why_none(witness, seen, least), was_there))
                continue
            back = why_back(held, known) or why_behind(held, self.least)
            problem = back or self._why_not_now(held)
            if back is None:
                remember(self.memory, repository.reference.name, witness.tag, held.seen)
            if problem is None:
                good.append(held)
            else:
                problems.append((problem, back is not None))
        return good, problems

    def _why_not_now(self, held: Held) -> str | None:
        said = held.said
        issued, expires = parse_timestamp(said.issued_on), parse_timestamp(said.expires_on)
        if issued > self.moment + CLOCK_SKEW:
            return f"{held.shown} is dated in the future: {said.issued_on}"
        if self.moment > expires:
            return f"{held.shown} expired on {said.expires_on}"
        if self.moment - issued > timedelta(hours=self.rule.max_age_hours):
            return f"{held.shown} of {said.issued_on} is older than {self.rule.max_age_hours:g} hours"
        if said.version < self.rule.min_version:
            return f"{held.shown} is older than number {self.rule.min_version}, which the policy asks for"
        return None

    def _if_younger(self, held: Held, asked: Asked, found: Verdict) -> str:
        asked_for = dict.fromkeys(filter(None, (asked.digest, *asked.compared)))
        young = [digest for digest in asked_for if held.evidence_of(digest) is None]
        told = [f"{Digest(digest).short} is younger than that and not yet witnessed" for digest in young]
        if self.rule.is_listed:
            found.problems += [f"{asked.repository.reference.name}: {held.shown}: {words}" for words in told]
        return "".join(f", {words}" for words in told)

    def _missing(self, held: Held, asked: Asked) -> list[str]:
        """Name what is listed and not shown: of the version, of what stages have or had, and of stages' anchors."""
        leaves = [held.tag(tag) for _, tag in asked.tags]
        has = [resolve_or_none(held.repository, tag) for _, tag in asked.tags]
        had = [leaf.digest for leaf in leaves if leaf is not None]
        versions = {str(item) for item in (asked.digest, *asked.compared, *has, *had) if item is not None}
        anchors = {str(anchor_of(tag).digest): stage for stage, tag in asked.tags}
        told = []
        for digest in [*sorted(versions), *anchors]:
            listed = held.evidence_of(digest)
            if listed is None:
                continue
            about = "" if digest == asked.digest else f" about {anchors.get(digest) or Digest(digest).short}"
            if digest not in anchors and digest != asked.digest and resolve_or_none(held.repository, digest) is None:
                told.append(f"{held.shown} lists the version {digest}, and it is gone")
            told += self._missing_of(held, digest, listed, about)
        return told

    def _missing_of(self, held: Held, digest: str, listed: Sequence[str], about: str) -> list[str]:
        has_older = any(map(is_of_older_form, listed))
        there = shown(held.repository, digest, limits=self.limits, has_older_forms=has_older) if listed else {}
        missing = [name for name in listed if name not in there]
        named = [described(held.repository, digest, name, self.trust, self.moment) for name in missing[:_MOST_NAMED]]
        more = [f"{len(missing) - _MOST_NAMED} more"] if len(missing) > _MOST_NAMED else []
        return [f"{held.shown} lists {what}{about}, and the registry has it no longer" for what in [*named, *more]]

    def _moved(self, held: Held, asked: Asked) -> list[str]:
        """A stage's tag is where the checkpoint says, or where recorded promotions lead from there."""
        told = []
        for stage, tag in asked.tags:
            leaf = held.tag(tag)
            current = resolve_or_none(held.repository, tag)
            if leaf is None or leaf.digest in (None, current):
                continue
            if tag == asked.restores and leaf.digest == asked.digest:
                continue  # it puts back what was there
            has = f"{held.shown} says that {stage} has {Digest(str(leaf.digest)).short}"
            if current is None:
                told.append(f"{has}, and its tag {tag} is gone")
            elif not leads_on(held.repository, stage, tag, leaf, trust=self.trust, limits=self.limits):
                told.append(f"{has}, and no recorded promotion leads from there to {current.short}, which {tag} has")
        return told


def place_of(repository: Repository, witness: Witness) -> str:
    """Return how records name the place of a witness's checkpoints."""
    return f"{repository.reference.name}:{witness.tag}"


def why_behind(held: Held, least: Mapping[str, RecordedNumber]) -> str | None:
    """Return why a checkpoint is older than one that a promotion on record saw."""
    seen = least.get(place_of(held.repository, held.witness))
    return f"{held.shown} was put back: {seen.told}" if seen and held.said.version < seen.version else None


def why_none(witness: Witness, seen: Seen | None, least: RecordedNumber | None = None) -> str:
    """Return what is said where there is no checkpoint of a witness, by what is known of earlier ones."""
    if seen is not None:
        return f"checkpoint {seen.version} by {witness.identity} was there, and is gone"
    if least is not None:
        return f"there is no checkpoint by {witness.identity} any more: {least.told}"
    return f"there is no checkpoint by {witness.identity}"


def why_back(held: Held, known: Mapping[str, Seen]) -> str | None:
    """Return why a checkpoint is not the newest of its witness that was seen, or a second one of its number."""
    seen = known.get(held.witness.tag)
    if seen is None or held.said.version > seen.version:
        return None
    if held.said.version < seen.version:
        return f"{held.shown} was put back: number {seen.version} was seen before"
    return None if held.root == seen.root else f"two checkpoints with number {seen.version} by {held.witness.identity}"
