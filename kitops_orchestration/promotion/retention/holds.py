"""Holds: why a version may not go, whatever its age.

A hold errs on the side of keeping.  A statement that nobody signed is enough to hold a version; only one that
counts takes a hold away, and a record that cannot be read holds as well.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, TypeVar

from kitops_orchestration.errors import KitOpsError
from kitops_orchestration.lineage.answers.deployment import POINTER, pointer_tag
from kitops_orchestration.lineage.statements import Deployment, Promotion
from kitops_orchestration.lineage.statements.recorded import Readable, Recorded, read
from kitops_orchestration.modelkit.kitfile.rules import parent_reference
from kitops_orchestration.oci.descriptor import Digest
from kitops_orchestration.oci.manifest import Index
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.promotion.retention.held_versions import HeldVersion
from kitops_orchestration.signing import predicate_types

if TYPE_CHECKING:
    from kitops_orchestration.promotion.rules.policy import PromotionPolicy, Stage

P = TypeVar("P", bound=Readable)
Hold = tuple[str, str]
"""A digest that stays, and why, for people.  A record may name what is no digest: it then holds nothing."""

_LOCAL = "localhost"


def parents(version: HeldVersion, versions: Sequence[HeldVersion], repository: Reference) -> Iterator[Digest]:
    """Yield the versions of the same repository that a ModelKit cannot be unpacked without."""
    model = version.kit.kitfile.model if version.kit is not None else None
    parent = parent_reference(model.path) if model is not None else None
    if parent is None or not _is_here(parent, repository):
        return
    wanted = parent.tag or "latest"
    base = version.kit.base if version.kit is not None else None
    pin = base.digest if base is not None else None  # whatever the tag points at now
    for other in versions:
        if other.digest == pin if pin else wanted in other.tags:
            yield other.digest


def _is_here(parent: Reference, repository: Reference) -> bool:
    if parent.registry != _LOCAL:
        return parent.name == repository.name
    # How much of a folder's path is the registry cannot be seen from it.
    return repository.name.endswith(f"/{parent.repository}")


@dataclass(frozen=True, slots=True)
class Holds:
    """Finds the holds on the versions of one repository."""

    repository: Reference
    versions: Sequence[HeldVersion]
    policy: PromotionPolicy | None
    is_trust_given: bool

    def reasons(self) -> Mapping[str, str]:
        """Return the digests that have to stay, each with the first reason found."""
        found: dict[str, str] = {}
        for digest, reason in chain(
            self._of_policy(),
            self._of_promotions(),
            self._of_pointers(),
            self._of_deployments(),
            self._of_unreadable(),
            self._of_indexes(),
        ):
            found.setdefault(digest, reason)
        return found

    def _of_policy(self) -> Iterator[Hold]:
        stages = [stage for stage in self.policy.stages.values() if self._is_here(stage)] if self.policy else []
        for version in self.versions:
            for stage in stages:
                if stage.tag in version.tags:
                    yield version.digest, f"stage {stage.name}"
                for tag in version.tags:
                    if any(fnmatch.fnmatchcase(tag, pattern) for pattern in stage.immutable_tags):
                        yield version.digest, f"immutable tag {tag}"

    def _is_here(self, stage: Stage) -> bool:
        name = self.repository.name
        wanted = stage.repository_for(name)
        return wanted is None or name == wanted or name.endswith(f"/{wanted}")

    def _of_promotions(self) -> Iterator[Hold]:
        """What a promotion put under a tag that still points there, and what a rollback would bring back."""
        for version in self.versions:
            for record in _records(version, Promotion, predicate_types.PROMOTION):
                said = record.predicate
                if (_tag_of(said.dst_ref) or said.to_stage) not in version.tags:
                    continue
                yield version.digest, f"stage {said.to_stage}"
                if said.previous_digest:
                    yield said.previous_digest, f"stage {said.to_stage} had it before: for a rollback"

    def _of_pointers(self) -> Iterator[Hold]:
        """What a place's tag points at, unless the newest record that counts says it no longer runs there."""
        for version in self.versions:
            newest: dict[str, Recorded[Deployment]] = {}
            for record in self._deployments(version):
                said = record.predicate
                newest[pointer_tag(said.environment, said.target)] = record
                newest.setdefault(f"{POINTER}{said.environment}", record)  # what people set by hand
            for tag in filter(lambda tag: tag.startswith(POINTER), version.tags):
                found = newest.get(tag)
                if found is None or found.predicate.action == "deployed":
                    yield version.digest, _place(found) if found else f"deployed, says its tag {tag}"

    def _of_deployments(self) -> Iterator[Hold]:
        """What the newest record of each place names, also where no tag came along with a copy."""
        found = [(version.digest, record) for version in self.versions for record in self._deployments(version)]
        yield from _newest_of_each_place(found)
        # What nobody vouches for may add a hold; it must not outrank what somebody does vouch for.
        yield from _newest_of_each_place([pair for pair in found if pair[1].evidence.is_verified])

    def _deployments(self, version: HeldVersion) -> list[Recorded[Deployment]]:
        records = _records(version, Deployment, predicate_types.DEPLOYMENT)
        return [
            record
            for record in records
            if record.predicate.action == "deployed" or record.evidence.is_verified or not self.is_trust_given
        ]

    def _of_unreadable(self) -> Iterator[Hold]:
        for version in self.versions:
            for kind, name in ((Promotion, predicate_types.PROMOTION), (Deployment, predicate_types.DEPLOYMENT)):
                _, broken = read(version.evidence, kind, name)
                lost = [item for item in version.evidence if item.statement is None and item.predicate_type == name]
                if broken or lost:
                    yield version.digest, f"a {predicate_types.short_name(name)} record on it cannot be read"

    def _of_indexes(self) -> Iterator[Hold]:
        for version in self.versions:
            if isinstance(version.node, Index):
                for child in version.node.manifests:
                    yield child.digest, f"listed by the index {version.tags[0]}"


def _records(version: HeldVersion, kind: type[P], predicate_type: str) -> list[Recorded[P]]:
    """Return the statements of one type about this version, oldest first, whoever made them."""
    records, _ = read([item for item in version.evidence if item.is_about_subject], kind, predicate_type)
    return records


def _tag_of(reference: str) -> str | None:
    try:
        return Reference.parse(reference).tag
    except KitOpsError:
        return None


def _newest_of_each_place(records: Iterable[tuple[Digest, Recorded[Deployment]]]) -> Iterator[Hold]:
    places: dict[str, list[tuple[Digest, Recorded[Deployment]]]] = {}
    for digest, record in records:
        place = f"{record.predicate.environment}\n{record.predicate.target.key}"
        places.setdefault(place, []).append((digest, record))
    for entries in places.values():
        newest = max(record.time or "" for _, record in entries)
        for digest, record in entries:
            if (record.time or "") == newest and record.predicate.action == "deployed":
                yield digest, _place(record)


def _place(record: Recorded[Deployment]) -> str:
    return f"deployed: {record.predicate.environment}, {record.predicate.target.shown}"
