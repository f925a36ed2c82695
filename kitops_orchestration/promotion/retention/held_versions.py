"""The versions that a repository holds, and what the registry knows of each: read once, side by side."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from kitops_orchestration.errors import KitOpsError, NotFoundError
from kitops_orchestration.modelkit.inspect import ModelKit, inspect
from kitops_orchestration.oci.descriptor import Digest
from kitops_orchestration.oci.manifest import Node
from kitops_orchestration.oci.resolve import tags_by_digest
from kitops_orchestration.settings import Limits
from kitops_orchestration.signing.evidence import Evidence, is_fault_of_content, read_evidence
from kitops_orchestration.signing.timestamps import parse_timestamp

if TYPE_CHECKING:
    from kitops_orchestration.oci.repository import Repository
    from kitops_orchestration.signing.trust import TrustPolicy


@dataclass(frozen=True, slots=True)
class HeldVersion:
    """One digest of a repository, with every tag that points at it."""

    digest: Digest
    tags: tuple[str, ...]
    node: Node
    kit: ModelKit | None
    """``None`` for an artifact of another kind, or one that is damaged."""
    evidence: tuple[Evidence, ...]
    """Every statement on it, oldest first."""

    @property
    def made_on(self) -> datetime | None:
        """When it was made, as it says, else as the oldest statement on it says; ``None`` where nothing does.

        A packed ModelKit has no time of its own, so that the same files give the same digest.
        """
        if self.kit is not None and self.kit.created is not None:
            return _aware(self.kit.created)
        return min(self._statement_times(), default=None)

    @property
    def last_heard_of(self) -> datetime | None:
        """The newest moment that the ModelKit or a statement on it names; ``None`` where nothing says a time."""
        made = self.made_on
        return max([*self._statement_times(), *([made] if made else [])], default=None)

    def _statement_times(self) -> list[datetime]:
        return [parse_timestamp(item.time) for item in self.evidence if item.time]


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def held_versions(
    repository: Repository, *, trust: TrustPolicy | None = None, limits: Limits = Limits()
) -> list[HeldVersion]:
    """Return what the repository holds under tags, with Kitfile and evidence; no layer is fetched.

    Requests: the list of tags and one for each tag; then for each version two for manifest and Kitfile, one for its
    referrers, and two for each statement.
    """
    tags = tags_by_digest(repository, limits=limits)
    one_by_one = replace(limits, concurrency=1)  # versions are read side by side already

    def read(digest: Digest) -> HeldVersion | None:
        try:
            node = repository.fetch_manifest(digest)
        except NotFoundError:
            return None  # deleted since the tags were listed
        evidence = read_evidence(repository, digest, trust=trust, limits=one_by_one)
        return HeldVersion(digest, tags[digest], node, _kit(repository, digest, limits), tuple(evidence))

    with ThreadPoolExecutor(max_workers=limits.concurrency) as pool:
        return [version for version in pool.map(read, tags) if version is not None]


def _kit(repository: Repository, digest: Digest, limits: Limits) -> ModelKit | None:
    try:
        return inspect(repository, digest, limits=limits)
    except KitOpsError as error:
        if not is_fault_of_content(error):
            raise
        return None
