"""What happened in a repository, in order: every version, and every statement about it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypedDict

from kitops_orchestration.errors import NotFoundError
from kitops_orchestration.lineage.answers.elsewhere import AT_HOME, Elsewhere, Followed, PromotionWalk, placed
from kitops_orchestration.lineage.statements.recorded import vouched_chip
from kitops_orchestration.oci import media_types
from kitops_orchestration.oci.descriptor import Digest
from kitops_orchestration.presentation.answer import Answer
from kitops_orchestration.presentation.page import Page, Table
from kitops_orchestration.settings import Limits
from kitops_orchestration.signing import predicate_types as types
from kitops_orchestration.signing.evidence import Evidence
from kitops_orchestration.signing.timestamps import timestamp_or_none

if TYPE_CHECKING:
    from kitops_orchestration.oci.manifest import Node
    from kitops_orchestration.oci.reference import Reference
    from kitops_orchestration.oci.repository import Repository
    from kitops_orchestration.signing.trust import TrustPolicy


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened to one version."""

    time: str | None
    """RFC 3339 in UTC: as a time-stamp proves, else as the statement or manifest claims; ``None`` where none says."""
    kind: str
    """``version`` for the ModelKit itself, else the statement's short name: ``approval``, ``deployment``, …"""
    digest: str
    tags: tuple[str, ...]
    summary: str
    evidence: Evidence | None = None
    """``None`` for the version itself, which proves nothing but its bytes."""

    def to_json(self) -> dict[str, Any]:
        """Return the event; the predicate is in ``evidence``."""
        value = {
            "time": self.time,
            "kind": self.kind,
            "digest": self.digest,
            "tags": list(self.tags),
            "summary": self.summary,
        }
        return value if self.evidence is None else {**value, "evidence": self.evidence.to_json()}


@dataclass(frozen=True, slots=True)
class Timeline(Answer):
    """Events of a repository, oldest first; those without a time come first."""

    repository: Reference
    is_checked: bool
    events: tuple[Event, ...]
    version: Reference | None = None
    """Tag and digest, where it was asked about one version alone."""
    followed: Followed = AT_HOME
    """The other repositories that the promotions lead to."""

    def to_json(self) -> dict[str, Any]:
        """Return everything, ready for ``json.dumps``."""
        about = self.version or self.repository
        return {
            "reference": str(about),
            **({"digest": str(about.digest)} if about.digest else {}),
            "repository": str(self.repository),
            "isChecked": self.is_checked,
            "events": [item.to_json() for item in self.events],
            **self.followed.to_json(),
        }

    def page(self) -> Page:
        """Return the events, one in each row."""
        rows = [
            (
                item.time,
                item.kind,
                ", ".join(item.tags) or Digest(item.digest).short,
                placed(item.summary, item.evidence),
                None if item.evidence is None else vouched_chip(item.evidence),
            )
            for item in self.events
        ]
        head = ("time", "event", "version", "what", "who says so")
        table = Table.of(head, rows, empty="Nothing happened here.")
        return Page.of(f"Timeline of {self.repository}", table, *self.followed.sections())


class TimelineOptions(TypedDict, total=False):
    """What :func:`timeline` takes by name and a client or an adapter hands through."""

    predicate_types: Collection[str] | None
    trust: TrustPolicy | None
    at: datetime | None
    limits: Limits


def timeline(
    repository: Repository,
    *,
    tags: Collection[str] | None = None,
    predicate_types: Collection[str] | None = None,
    trust: TrustPolicy | None = None,
    elsewhere: Elsewhere | None = None,
    at: datetime | None = None,
    limits: Limits = Limits(),
) -> Timeline:
    """Return what happened to the versions of a repository.

    Requests: the list of tags; then for each version one for its manifest, one for its referrers, and two for
    each statement.  ``limits.concurrency`` of them are made at the same time, and never a layer is fetched.

    Args:
        repository: where to look.
        tags: look at these alone.
        predicate_types: leave out statements of other types, which are then not fetched.
        trust: without one, statements are shown and marked as not checked.
        elsewhere: the way to the repositories that versions were promoted to and from; what happened to them there
            is shown, too, at the cost of one request for each version and repository, and two for each statement.
        at: the moment for which keys have to be valid.
        limits: bounds the requests made at the same time.
    """
    names = sorted(repository.tags() if tags is None else tags)
    one_by_one = replace(limits, concurrency=1)  # versions are read side by side already
    walk = PromotionWalk(repository, elsewhere, trust=trust, at=at, limits=one_by_one)
    with ThreadPoolExecutor(max_workers=limits.concurrency) as pool:
        nodes = _by_digest(names, pool.map(lambda tag: _fetch(repository, tag), names))

        def events_of(digest: str) -> list[Event]:
            node, its_tags = nodes[digest]
            found = walk.evidence(digest, predicate_types=predicate_types)
            return [_version(digest, node, its_tags, found), *(_event(digest, its_tags, item) for item in found)]

        events = [event for group in pool.map(events_of, nodes) for event in group]
    ordered = sorted(events, key=lambda item: (item.time or "", item.digest, item.kind != "version"))
    version = _version_asked_for(repository.reference, names, nodes) if tags is not None else None
    return Timeline(repository.reference, trust is not None, tuple(ordered), version, walk.followed)


def _version_asked_for(repository: Reference, names: Sequence[str], nodes: Collection[str]) -> Reference | None:
    if len(names) != 1 or len(nodes) != 1:
        return None
    named = repository if names[0] in nodes else repository.with_tag(names[0])
    return named.with_digest(next(iter(nodes)))


def _fetch(repository: Repository, tag: str) -> Node | None:
    try:
        return repository.fetch_manifest(tag)
    except NotFoundError:
        return None  # deleted since the tags were listed


def _by_digest(names: Collection[str], found: Any) -> Mapping[str, tuple[Node, tuple[str, ...]]]:
    nodes: dict[str, tuple[Node, tuple[str, ...]]] = {}
    for name, node in zip(names, found, strict=True):
        if node is not None:
            _, others = nodes.get(node.digest, (node, ()))
            nodes[node.digest] = (node, (*others, name))
    return nodes


def _version(digest: str, node: Node, tags: tuple[str, ...], evidence: Sequence[Evidence]) -> Event:
    """Return the manifest's own date: of a model that a run made it is the end of the training, for reproducibility."""
    made = "trained" if any(map(_is_of_training, evidence)) else "packed"
    # Whoever may push writes the annotation: what is no time is left out, as in a statement.
    time = timestamp_or_none(node.annotations.get(media_types.ANNOTATION_CREATED))
    return Event(time, "version", digest, tags, made)


def _is_of_training(item: Evidence) -> bool:
    if item.statement is None or item.statement.predicate_type != types.PROVENANCE:
        return False
    definition = item.statement.predicate.get("buildDefinition")
    internal = definition.get("internalParameters") if isinstance(definition, Mapping) else None
    return isinstance(internal, Mapping) and "trained" in internal


def _event(digest: str, tags: tuple[str, ...], item: Evidence) -> Event:
    return Event(item.when, types.short_name(item.predicate_type or "unknown"), digest, tags, summary(item), item)


def summary(item: Evidence) -> str:
    """Return what a statement says, in a few words."""
    if item.statement is None:
        return item.reason
    predicate = item.statement.predicate
    describe = _SUMMARIES.get(item.statement.predicate_type)
    try:
        return describe(predicate) if describe else ""
    except (KeyError, TypeError, AttributeError):
        return "not of its type's form"


def _of_provenance(predicate: Mapping[str, Any]) -> str:
    return f"by {predicate['runDetails']['builder']['id']}"


def _of_deployment(predicate: Mapping[str, Any]) -> str:
    return f"{predicate['action']}: {predicate['environment']}, {predicate['target']['name']}"


_SUMMARIES: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    types.PROVENANCE: _of_provenance,
    types.TEST_RESULT: lambda predicate: str(predicate["result"]),
    types.APPROVAL: lambda predicate: f"{predicate['decision']} for {predicate['environment']}",
    types.PROMOTION: lambda predicate: f"to {predicate['toStage']}",
    types.DEPLOYMENT: _of_deployment,
    types.CARD: lambda predicate: ", ".join(predicate["sections"]),
}
