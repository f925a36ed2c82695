"""What a witness sees: every version of a repository with its evidence, and every stage's tag.

The one place that reads all of a repository; it is the witness's cost, and nobody else's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from kitops_orchestration.lineage.statements import Promotion
from kitops_orchestration.lineage.statements.recorded import read
from kitops_orchestration.oci.resolve import resolve_or_none, tags_by_digest, tags_if_there
from kitops_orchestration.promotion.checkpoint.leaves import REMOVED, Leaves, TagLeaf, names_of_evidence
from kitops_orchestration.promotion.checkpoint.removal import Removed, removals
from kitops_orchestration.promotion.checkpoint.shown import described, is_listed, shown
from kitops_orchestration.promotion.checkpoint.stage_tags import leads_on, tag_leaf
from kitops_orchestration.promotion.records.counting import place_of
from kitops_orchestration.promotion.stage_tag.anchor import anchor_of
from kitops_orchestration.settings import Limits
from kitops_orchestration.signing import predicate_types
from kitops_orchestration.signing.evidence import Evidence

if TYPE_CHECKING:
    from kitops_orchestration.oci.repository import Repository
    from kitops_orchestration.promotion.rules.policy import PromotionPolicy
    from kitops_orchestration.signing.trust import TrustPolicy


@dataclass(frozen=True, slots=True)
class Walked:
    """What was seen, and what of it a checkpoint lists."""

    leaves: Leaves
    there: Mapping[str, Mapping[str, Evidence]]
    """Everything that can be read, whoever signed it, by digest and name."""
    tagged: Collection[str] = ()
    """The versions that a tag leads to."""

    def is_away(self, digest: str, listed: Sequence[str]) -> bool:
        """Tell whether a version is gone as a whole: its bytes may stay until somebody collects the garbage."""
        if digest in self.tagged:
            return False
        return not set(names_of_evidence(listed)) & set(self.there.get(digest, ()))


@dataclass(frozen=True, slots=True)
class Loss:
    """Something that the checkpoint before listed, and that is not there."""

    names: frozenset[str]
    """By any of which it may be accepted: the version, the statement, or the tag."""
    words: str


def walk(
    repository: Repository,
    before: Leaves,
    *,
    policy: PromotionPolicy | None,
    trust: TrustPolicy,
    moment: datetime,
    limits: Limits = Limits(),
) -> Walked:
    """Read the repository; what the checkpoint before listed and has lost its tag since is looked for as well."""
    tagged = set(map(str, tags_by_digest(repository, tags_if_there(repository), limits=limits)))
    one_by_one = replace(limits, concurrency=1)

    def look(digest: str) -> Mapping[str, Evidence] | None:
        if digest not in tagged and resolve_or_none(repository, digest) is None:
            return None
        return shown(repository, digest, trust=trust, at=moment, limits=one_by_one)

    anchored = {str(anchor_of(tag).digest) for tag in before.tags}
    with ThreadPoolExecutor(max_workers=limits.concurrency) as pool:
        wanted = sorted(tagged | (set(before.digests) - anchored))
        found = dict(zip(wanted, pool.map(look, wanted), strict=True))
        there = {digest: items for digest, items in found.items() if items is not None}
        stages = _stages(repository, there, before, policy)
        tags = dict(
            zip(
                stages,
                pool.map(lambda tag: tag_leaf(repository, stages[tag], tag, trust=trust, limits=one_by_one), stages),
                strict=True,
            )
        )
        anchors = [str(anchor_of(tag).digest) for tag in stages]
        on_anchors = pool.map(
            lambda anchor: shown(repository, anchor, trust=trust, at=moment, limits=one_by_one, has_older_forms=False),
            anchors,
        )
        there |= {anchor: items for anchor, items in zip(anchors, on_anchors, strict=True) if items}
    listed = {
        digest: tuple(sorted(name for name in items if is_listed(items[name]))) for digest, items in there.items()
    }
    used = {
        tag: leaf
        for (tag, leaf), anchor in zip(tags.items(), anchors, strict=True)
        if leaf.digest or anchor in there or tag in before.tags
    }
    return Walked(Leaves(listed, used), there, tagged)


def _stages(
    repository: Repository,
    there: Mapping[str, Mapping[str, Evidence]],
    before: Leaves,
    policy: PromotionPolicy | None,
) -> dict[str, str]:
    """The tags that are stages', with the stages: by records that count, the policy, and the checkpoint before."""
    name = repository.reference.name
    found = {tag: leaf.stage for tag, leaf in before.tags.items()}
    for items in there.values():
        verified = [item for item in items.values() if item.is_verified]
        for record in read(verified, Promotion, predicate_types.PROMOTION)[0]:
            place, colon, tag = (place_of(record.predicate) or "").rpartition(":")
            if colon and place == name:
                found.setdefault(tag, record.predicate.to_stage)
    for stage in policy.stages.values() if policy else ():
        if stage.repository_for(name) in (None, name):
            found[stage.tag] = stage.name
    return dict(sorted(found.items()))


@dataclass(frozen=True, slots=True)
class Gone:
    """What the checkpoint before listed and is not there now."""

    lost: list[Loss]
    """What nobody who may let go, versions without evidence left out."""
    removed: list[Removed]
    """What went on purpose since."""
    kept: Mapping[str, tuple[str, ...]]
    """The leaves of removed versions, which stay: what comes back has to have all of it."""


def gone_since(
    repository: Repository,
    before: Leaves,
    now: Walked,
    *,
    trust: TrustPolicy,
    moment: datetime,
    limits: Limits = Limits(),
) -> Gone:
    """Hold what is there against the checkpoint before."""
    anchors = {str(anchor_of(tag).digest) for tag in before.tags}
    away = {
        digest: listed
        for digest, listed in before.digests.items()
        if listed and digest not in anchors and now.is_away(digest, listed)
    }
    let_go = removals(repository, trust, moment, limits=limits) if away else {}
    decides = _of_stages(before, now)
    kept, removed = {}, []
    for digest, listed in sorted(away.items()):
        marks = [name for name in listed if name.startswith(REMOVED)]
        is_let_go = digest in let_go and set(names_of_evidence(listed)) <= let_go[digest].let_go
        if not marks and is_let_go and digest not in decides:
            removed.append(let_go[digest])
            marks = [f"{REMOVED}{let_go[digest].statement}"]
        if marks:
            seen = now.leaves.digests.get(digest, ())
            kept[digest] = (*dict.fromkeys((*names_of_evidence(listed), *names_of_evidence(seen))), *marks)
    lost = _losses(repository, before, now, kept, trust=trust, limits=limits)
    return Gone(lost, removed, kept)


def _of_stages(before: Leaves, now: Walked) -> set[str]:
    """What stages had, have, and had before that: no removal makes anybody forget what has to be beaten."""
    found = {leaf.digest for leaf in (*before.tags.values(), *now.leaves.tags.values()) if leaf.digest}
    for leaf in (*before.tags.values(), *now.leaves.tags.values()):
        head = now.there.get(leaf.digest or "", {}).get(leaf.head or "")
        said = head.statement.predicate.get("previousDigest") if head is not None and head.statement else None
        if isinstance(said, str):
            found.add(said)
    return found


def _losses(
    repository: Repository,
    before: Leaves,
    now: Walked,
    kept: Mapping[str, tuple[str, ...]],
    *,
    trust: TrustPolicy,
    limits: Limits,
) -> list[Loss]:
    anchors = {str(anchor_of(tag).digest): leaf.stage for tag, leaf in before.tags.items()}
    found: list[Loss] = []
    for digest, names in sorted(before.digests.items()):
        there, listed = now.there.get(digest), names_of_evidence(names)
        if digest in kept:
            continue
        if there is None and digest not in anchors:
            if listed:  # of a version without evidence nothing is lost that anybody vouched for
                found.append(Loss(frozenset((digest,)), f"the version {digest} with {len(listed)} statements"))
            continue
        about = f"the stage {anchors[digest]}" if digest in anchors else digest
        missing = [name for name in listed if name not in (there or {})]
        found += [
            Loss(frozenset((name, digest)), f"{described(repository, digest, name, trust, None)} about {about}")
            for name in missing
        ]
    return found + _moved(repository, before, now, trust, limits)


def _moved(repository: Repository, before: Leaves, now: Walked, trust: TrustPolicy, limits: Limits) -> list[Loss]:
    """Tags of stages that are gone, or were moved without a record that counts."""
    found = []
    for tag, leaf in before.tags.items():
        current = now.leaves.tags.get(tag, TagLeaf(leaf.stage, None)).digest
        if leaf.digest in (None, current):
            continue
        if current is None:
            found.append(Loss(frozenset((tag,)), f"the tag {tag} of the stage {leaf.stage}, which had {leaf.digest}"))
        elif not leads_on(repository, leaf.stage, tag, leaf, trust=trust, limits=limits):
            words = f"the way of the tag {tag} from {leaf.digest} to {current}: no promotion that counts is recorded"
            found.append(Loss(frozenset((tag,)), words))
    return found


def names_of(found: Iterable[Loss]) -> str:
    """Return the losses for people, at most ten by name."""
    told = [loss.words for loss in found]
    return "; ".join([*told[:10], *([f"{len(told) - 10} more"] if len(told) > 10 else [])])
