"""Where ModelKits run: recording it, and asking.

A pointer tag for each place, ``deploy-<environment>.<target>``, says which digest runs there, so that the answer
costs requests by the number of places and not of versions.  A tag alone proves nothing: it counts when the newest
deployment statement on its digest says the same.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypedDict

from kitops_orchestration.errors import KitOpsError, NotFoundError, RegistryResponseError
from kitops_orchestration.lineage.answers.elsewhere import AT_HOME, Elsewhere, Followed, PromotionWalk
from kitops_orchestration.lineage.answers.tag_order import natural_order
from kitops_orchestration.lineage.statements import Deployment, DeploymentTarget, RunContext
from kitops_orchestration.lineage.statements.attach import Attached, attach
from kitops_orchestration.lineage.statements.recorded import Recorded, counted, read
from kitops_orchestration.oci.descriptor import Digest
from kitops_orchestration.oci.resolve import resolve_or_none, tags_if_there
from kitops_orchestration.presentation.answer import Answer
from kitops_orchestration.presentation.page import Code, Page, Section, Table
from kitops_orchestration.settings import Limits
from kitops_orchestration.signing import predicate_types
from kitops_orchestration.signing.evidence import read_evidence
from kitops_orchestration.signing.timestamps import format_timestamp, now

if TYPE_CHECKING:
    from kitops_orchestration.lineage.statements.predicates import Action
    from kitops_orchestration.oci.reference import Reference
    from kitops_orchestration.oci.repository import Repository
    from kitops_orchestration.signing.keys import Signer
    from kitops_orchestration.signing.trust import TrustPolicy

POINTER = "deploy-"
MAX_VERSIONS = 32
"""Versions whose promotions are read to find the repositories that a model goes to."""
_MAX_TAG = 128
_MAX_ENVIRONMENT = 40


@dataclass(frozen=True, slots=True)
class RunningModelKit:
    """A digest in service at one place."""

    reference: Reference
    """Pinned by digest."""
    pointer: str
    """The tag that points at it."""
    record: Recorded[Deployment]

    @property
    def environment(self) -> str:
        """Where, by the statement."""
        return self.record.predicate.environment

    @property
    def target(self) -> DeploymentTarget:
        """The place in the environment."""
        return self.record.predicate.target

    def to_json(self) -> dict[str, Any]:
        """Return place, digest and the statement."""
        return {
            "environment": self.environment,
            "target": self.target.to_json(),
            "reference": str(self.reference),
            "digest": self.reference.target,
            "since": self.record.when,
            "pointer": self.pointer,
            "record": self.record.to_json(),
        }


@dataclass(frozen=True, slots=True)
class Deployments(Answer):
    """The answer to *which version is deployed where?*"""

    repository: Reference
    is_checked: bool
    running: tuple[RunningModelKit, ...]
    unproven: tuple[tuple[str, str, str], ...]
    """Pointer tags that no statement bears out: tag, digest, why."""
    followed: Followed = AT_HOME
    """The other repositories that the promotions lead to."""

    def to_json(self) -> dict[str, Any]:
        """Return everything, ready for ``json.dumps``."""
        unproven = [{"pointer": tag, "digest": digest, "reason": why} for tag, digest, why in self.unproven]
        return {
            "reference": str(self.repository),
            "repository": str(self.repository),
            "isChecked": self.is_checked,
            "running": [item.to_json() for item in self.running],
            "unproven": unproven,
            **self.followed.to_json(),
        }

    def page(self) -> Page:
        """Return what runs where, and the pointers that nothing bears out."""
        is_elsewhere = any(item.reference.name != self.repository.name for item in self.running)
        rows = [
            (
                item.environment,
                item.target.shown,
                Code(Digest(item.reference.target).short),
                Code(item.record.predicate.ref or ""),
                item.record.when,
                item.record.believed(),
                *((item.reference.name,) if is_elsewhere else ()),
            )
            for item in self.running
        ]
        head = ("environment", "target", "digest", "reference", "since", "who says so")
        return Page.of(
            f"Deployments of {self.repository}",
            Table.of(
                (*head, "repository") if is_elsewhere else head,
                rows,
                empty="Nothing is known to be deployed: kitctl record-deployment says that something is.",
            ),
            Section.of("Unproven", Table.of(("tag", "digest", "why"), self.unproven)),
            *self.followed.sections(),
        )


def pointer_tag(environment: str, target: DeploymentTarget) -> str:
    """Return the tag that points at what runs there: the same for the same place, another for every other."""
    readable = "-".join(part for part in (target.cluster, target.namespace, target.name) if part)
    place = _tag_text(readable, _MAX_TAG - len(POINTER) - _MAX_ENVIRONMENT - 10)
    check = hashlib.sha256(f"{environment}\n{target.key}".encode()).hexdigest()[:8]
    return f"{POINTER}{_tag_text(environment, _MAX_ENVIRONMENT)}.{place}-{check}"


def _tag_text(text: str, length: int) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "-", text)[:length]


class RecordDeploymentOptions(TypedDict, total=False):
    """What :func:`record_deployment` takes by name and a client or an adapter hands through."""

    action: Action
    signer: Signer | None
    run_context: RunContext | None
    deployed_on: datetime | str | None
    ref: str | None


def record_deployment(
    repository: Repository,
    target: str,
    environment: str,
    place: DeploymentTarget,
    *,
    action: Action = "deployed",
    signer: Signer | None = None,
    run_context: RunContext | None = None,
    deployed_on: datetime | str | None = None,
    ref: str | None = None,
) -> Attached:
    """Record that ``target`` went into service at ``place``, or out of it, and move the pointer tag last.

    ``deployed_on`` is now unless given.  A retry of the same task of the same run records nothing twice.
    """
    digest = repository.resolve(target).digest
    pointer = pointer_tag(environment, place)
    before = resolve_or_none(repository, pointer)
    context = run_context or RunContext()
    moment = deployed_on or now()
    statement = Deployment(
        action,
        environment,
        place,
        ref=ref or str(repository.reference.with_digest(digest)),
        deployed_on=format_timestamp(moment),
        orchestrator=context.to_json() if run_context else None,
        replaces=before if before not in (None, digest) else None,
    )
    attached = attach(repository, digest, statement, signer=signer)
    if action == "deployed":
        repository.set_tag(pointer, repository.resolve(digest))
    elif before == digest:
        _delete_tag(repository, pointer)
    return attached


def _delete_tag(repository: Repository, tag: str) -> None:
    try:
        repository.delete_tag(tag)
    except (NotFoundError, RegistryResponseError):
        # Many registries cannot delete a tag. The statement on the digest says that it no longer runs there.
        return


class WhereDeployedOptions(TypedDict, total=False):
    """What :func:`where_deployed` takes by name and a client or an adapter hands through."""

    trust: TrustPolicy | None
    at: datetime | None
    limits: Limits


def where_deployed(
    repository: Repository,
    *,
    trust: TrustPolicy | None = None,
    elsewhere: Elsewhere | None = None,
    at: datetime | None = None,
    limits: Limits = Limits(),
) -> Deployments:
    """Return which version runs where.

    Requests: the list of tags; one for each place; then one for each digest that runs somewhere, and two for
    each deployment statement on it.  The number of versions does not matter.

    With ``elsewhere`` the repositories that the newest versions (at most :data:`MAX_VERSIONS`) were promoted to and
    from are asked, too, for what is a version here.  That costs two requests for each of these versions, and one more
    in each repository that it was promoted to.
    """
    walk = PromotionWalk(repository, elsewhere, trust=trust, at=at, limits=replace(limits, concurrency=1))
    tags = list(repository.tags())
    if not walk.is_at_home:
        with ThreadPoolExecutor(max_workers=limits.concurrency) as pool:
            named = set(pool.map(partial(resolve_or_none, repository), _newest(tags, walk)))
            list(pool.map(partial(_follow, walk), sorted(digest for digest in named if digest)))
    return _deployments(repository, walk, tags, trust=trust, at=at, limits=limits)


def deployments_of(
    repository: Repository,
    digest: str,
    *,
    trust: TrustPolicy | None = None,
    elsewhere: Elsewhere | None = None,
    at: datetime | None = None,
    limits: Limits = Limits(),
) -> Deployments:
    """Return where one version runs, in this repository and in those that it was promoted to and from."""
    walk = PromotionWalk(repository, elsewhere, trust=trust, at=at, limits=limits)
    if not walk.is_at_home:
        _follow(walk, digest)
    found = _deployments(repository, walk, tags_if_there(repository), trust=trust, at=at, limits=limits)
    return replace(found, running=tuple(item for item in found.running if item.reference.target == digest))


def _newest(tags: Collection[str], walk: PromotionWalk) -> list[str]:
    versions = sorted((tag for tag in tags if not tag.startswith(POINTER)), key=natural_order)
    if len(versions) > MAX_VERSIONS:
        walk.note(f"the promotions of the newest {MAX_VERSIONS} of {len(versions)} tags were followed, and no others")
    return versions[-MAX_VERSIONS:]


def _follow(walk: PromotionWalk, digest: str) -> None:
    walk.evidence(digest, predicate_types={predicate_types.PROMOTION})


def _deployments(
    repository: Repository,
    walk: PromotionWalk,
    tags: Collection[str],
    *,
    trust: TrustPolicy | None,
    at: datetime | None,
    limits: Limits,
) -> Deployments:
    """Return what runs by the pointers here, and by those of the repositories that the walk got to."""
    running, unproven = _pointed_at(repository, tags, trust, at, limits)
    for other in walk.others:
        try:
            more, doubts = _pointed_at(other, list(other.tags()), trust, at, limits)
            known = {digest: resolve_or_none(repository, digest) for digest in {_of_running(item) for item in more}}
        except KitOpsError as error:
            walk.unanswered(other, error)
            continue
        running += [item for item in more if known[_of_running(item)]]
        unproven += [(tag, digest, f"{why}, in {other.reference.name}") for tag, digest, why in doubts]
    return Deployments(repository.reference, trust is not None, tuple(running), tuple(unproven), walk.followed)


def _of_running(item: RunningModelKit) -> str:
    return item.reference.target


def _pointed_at(
    repository: Repository, tags: Collection[str], trust: TrustPolicy | None, at: datetime | None, limits: Limits
) -> tuple[list[RunningModelKit], list[tuple[str, str, str]]]:
    """Return what runs by the pointers of one repository, and those that no statement bears out."""
    pointers = [tag for tag in tags if tag.startswith(POINTER)]
    with ThreadPoolExecutor(max_workers=limits.concurrency) as pool:
        resolved = dict(zip(pointers, pool.map(partial(resolve_or_none, repository), pointers), strict=True))
        digests = sorted({digest for digest in resolved.values() if digest})

        def newest(digest: str) -> Mapping[str, Recorded[Deployment]]:
            return _newest_by_pointer(repository, digest, trust, at)

        statements = dict(zip(digests, pool.map(newest, digests), strict=True))
    running, unproven = [], []
    for tag, digest in resolved.items():
        if digest is None:
            continue
        record = statements[digest].get(tag)
        if record is None:
            why = "no deployment statement that counts says so"
            unproven.append((tag, str(digest), why))
        elif record.predicate.action == "deployed":
            running.append(RunningModelKit(repository.reference.with_digest(digest), tag, record))
    return running, unproven


def _newest_by_pointer(
    repository: Repository, digest: str, trust: TrustPolicy | None, at: datetime | None
) -> Mapping[str, Recorded[Deployment]]:
    evidence = read_evidence(
        repository,
        digest,
        predicate_types={predicate_types.DEPLOYMENT},
        trust=trust,
        at=at,
        limits=Limits(concurrency=1),  # digests are asked for side by side already
    )
    kept, _ = counted(evidence, is_trust_given=trust is not None)
    records, _ = read(kept, Deployment, predicate_types.DEPLOYMENT)
    # The plain form, deploy-<environment>, is what people set by hand where an environment is one place.
    plain = {f"{POINTER}{item.predicate.environment}": item for item in records}
    return {**plain, **{pointer_tag(item.predicate.environment, item.predicate.target): item for item in records}}
