"""Reading a catalog: the core's verbs, asked about every repository and every version of it.

No rule is written here.  What counts, who approved, what is red and what waits are the answers of the verbs that
``status``, ``plan`` and ``passport`` print.  They are asked side by side, of repositories that answer each question
once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Protocol, TypedDict

from kitops_orchestration.catalog.model import Catalog, Model, ModelStage, Problem, Release, Waiting
from kitops_orchestration.errors import (
    InvalidReferenceError,
    KitOpsError,
    NotFoundError,
    RegistryError,
    UnsupportedModelKitError,
)
from kitops_orchestration.lineage.answers.compare import ModelKitDiff, compare_versions, metrics_of, read_version
from kitops_orchestration.lineage.answers.deployment import POINTER, Deployments, where_deployed
from kitops_orchestration.lineage.answers.facts import PastVersion
from kitops_orchestration.lineage.answers.sign_offs import sign_offs
from kitops_orchestration.lineage.answers.tag_order import natural_order
from kitops_orchestration.lineage.answers.timeline import timeline
from kitops_orchestration.lineage.answers.training_data import training_data
from kitops_orchestration.lineage.passport.passport import Passport
from kitops_orchestration.modelkit.file_list import diff_kits
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.resolve import resolve_or_none, tags_by_digest, tags_if_there
from kitops_orchestration.promotion.checkpoint.witnessed import witnessed, witnessed_repository
from kitops_orchestration.promotion.predicate_types import FREEZE
from kitops_orchestration.promotion.stage_tag.anchor import at_anchor
from kitops_orchestration.promotion.stage_tag.freeze import why_frozen
from kitops_orchestration.settings import Limits
from kitops_orchestration.signing.timestamps import format_timestamp
from kitops_orchestration.signing.verify import check_signatures

if TYPE_CHECKING:
    from kitops_orchestration.lineage.answers.elsewhere import Elsewhere
    from kitops_orchestration.lineage.answers.witnessed import WitnessedRepository
    from kitops_orchestration.oci.descriptor import Digest
    from kitops_orchestration.oci.repository import Repository
    from kitops_orchestration.promotion.checkpoint.memory import CheckpointMemory
    from kitops_orchestration.promotion.overview import Overview
    from kitops_orchestration.promotion.plan import PromotionPlan
    from kitops_orchestration.promotion.records.history import StageHistory
    from kitops_orchestration.promotion.rules.policy import PromotionPolicy
    from kitops_orchestration.promotion.stage_verdict import StageVerdict
    from kitops_orchestration.signing.trust import TrustPolicy

MAX_COURSE = 1000
"""Versions whose metrics are in a chart."""


class Verbs(Protocol):
    """What is asked of a client: the verbs about stages."""

    def repository(self, reference: Reference, /) -> Repository:
        """Open a repository."""
        ...

    def stage_reference(self, where: Reference, stage: str, policy: PromotionPolicy | None, /) -> Reference:
        """Return where a stage is."""
        ...

    def overview(self, repository: Reference, /, *, trust: TrustPolicy | None) -> Overview:
        """Return what happened in a repository, with its stages."""
        ...

    def status(
        self, repository: Reference, /, *, policy: PromotionPolicy, trust: TrustPolicy | None, is_complete: bool
    ) -> list[StageHistory]:
        """Return the promotions of every stage; the complete ones with those that lead nowhere."""
        ...

    def stage_verdict(
        self,
        repository: Reference,
        /,
        *,
        stage: str,
        policy: PromotionPolicy,
        trust: TrustPolicy,
        may_be_empty: bool,
    ) -> StageVerdict:
        """Judge what a stage has."""
        ...

    def plan(
        self, reference: Reference, /, *, stage: str, policy: PromotionPolicy, trust: TrustPolicy | None
    ) -> PromotionPlan:
        """Find out whether a version may go to a stage."""
        ...


class CatalogOptions(TypedDict, total=False):
    """What :func:`read_catalog` takes by name and a client or an adapter hands through."""

    trust: TrustPolicy | None
    at: datetime | None
    memory: CheckpointMemory | None
    limits: Limits


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is true of the whole run."""

    verbs: Verbs
    policy: PromotionPolicy | None
    trust: TrustPolicy | None
    elsewhere: Elsewhere | None
    at: datetime | None
    memory: CheckpointMemory | None
    named: Collection[str]
    of_one_moment: bool
    limits: Limits


def read_catalog(
    source: str,
    places: Sequence[Reference],
    verbs: Verbs,
    as_of: datetime,
    *,
    policy: PromotionPolicy | None = None,
    trust: TrustPolicy | None = None,
    elsewhere: Elsewhere | None = None,
    at: datetime | None = None,
    memory: CheckpointMemory | None = None,
    named: Collection[str] = (),
    of_one_moment: bool = True,
    limits: Limits = Limits(),
) -> Catalog:
    """Return what a site about the repositories ``places`` is made of; no layer is fetched.

    A repository that cannot be read is a problem of the catalog and stops nothing.

    Args:
        source: what was asked for, for people.
        places: repositories of ModelKits.
        verbs: the client that is asked; its repositories should answer each question once (``oci/read_once``).
        as_of: when the registry was asked.
        policy: stages and their checks; without one the stages are those that promotions name, and nothing is judged.
        trust: whose signatures count; without one nothing is judged.
        elsewhere: the way to the repositories that versions were promoted to and from.
        at: the moment for which keys have to be valid.
        memory: what was seen of checkpoints before; this machine's unless it is given.
        named: names of the ``places`` that were asked for one by one: that one of them has no version is a problem,
            and of a registry's other repositories it is none.
        of_one_moment: false where answers of earlier runs are among these: a new record may then have seen a later
            checkpoint than the one that is remembered, and nobody put that back.
        limits: bounds the requests made at the same time.
    """
    asked = _Asked(verbs, policy, trust, elsewhere, at, memory, named, of_one_moment, replace(limits, concurrency=1))
    with ThreadPoolExecutor(max_workers=limits.concurrency) as pool:
        found = list(pool.map(lambda place: _model_or_problem(asked, place, limits), places))
    models = _told_apart([item for item in found if isinstance(item, Model)])
    owners = _owners(models)
    return Catalog(
        source,
        format_timestamp(as_of),
        policy.digest if policy else None,
        trust.digest if trust else None,
        tuple(replace(model, is_stage_of=owners.get(model.reference.name)) for model in models),
        tuple(item for item in found if isinstance(item, Problem)),
    )


def _told_apart(models: Sequence[Model]) -> list[Model]:
    """Give each model a name that no other one has: pages of the same name would be one."""
    counts = Counter(model.reference.repository for model in models)
    whole = {replace(model, is_name_shared=True).name for model in models}
    return [
        replace(model, is_name_shared=counts[repository] > 1 or repository in whole)
        for model in models
        for repository in [model.reference.repository]
    ]


def _model_or_problem(asked: _Asked, place: Reference, limits: Limits) -> Model | Problem | None:
    try:
        return _model(asked, place, limits)
    except KitOpsError as error:
        return Problem(place.repository, str(error))


def _model(asked: _Asked, place: Reference, limits: Limits) -> Model | Problem | None:
    repository = asked.verbs.repository(place)
    names = [tag for tag in tags_if_there(repository) if not tag.startswith(POINTER)]
    if not names:
        return _emptied(asked, place, repository)  # it went away since, or never had a version
    tags = tags_by_digest(repository, names, limits=limits)
    deployments = where_deployed(
        repository, trust=asked.trust, elsewhere=asked.elsewhere, at=asked.at, limits=asked.limits
    )
    with ThreadPoolExecutor(max_workers=limits.concurrency) as pool:
        read = list(pool.map(lambda digest: _release(asked, repository, digest, tags[digest], deployments), tags))
    releases = _with_courses([item for item in read if isinstance(item, Release)])
    unreadable = [item for item in read if isinstance(item, _Unreadable)]
    if not releases:
        return _no_version(place, unreadable) or _emptied(asked, place, repository)
    kept = [tag for release in releases for tag in release.tags]
    events = timeline(repository, tags=kept, trust=asked.trust, at=asked.at, limits=asked.limits).events
    stages = _stages(asked, place)
    return Model(
        place,
        tuple(_with_changes(repository, releases)),
        stages,
        tuple(_waiting(asked, place, releases, stages)),
        deployments,
        events,
        unreadable=tuple((item.tags, item.reason) for item in unreadable),
        checkpoints=_checkpoints(asked, repository, releases),
    )


def _checkpoints(
    asked: _Asked, repository: Repository, releases: Sequence[Release] = ()
) -> tuple[WitnessedRepository, ...]:
    if asked.trust is None:
        return ()
    counting = releases if asked.of_one_moment else ()
    promotions = [item for release in counting for item in release.passport.version.lineage.promotions]
    return witnessed_repository(
        repository, asked.trust, promotions, moment=asked.at, memory=asked.memory, limits=asked.limits
    )


def _emptied(asked: _Asked, place: Reference, repository: Repository) -> Problem | None:
    """Return what is said of a repository that has no version, where somebody knows of one: a checkpoint, or a name."""
    checkpoints = _checkpoints(asked, repository)
    told = [f"{item.name} lists {loss.words}" for item in checkpoints for loss in item.missing]
    told += [f"{item.problem}" for item in checkpoints if item.is_put_back]
    if told:
        return Problem(place.repository, f"no version is here, and {told[0]}")
    if place.name in asked.named:
        return Problem(place.repository, "no version is here, and the repository was asked for by its name")
    return None


@dataclass(frozen=True, slots=True)
class _Unreadable:
    """What tags name that no page can be made of, and why."""

    tags: str
    reason: str
    is_of_another_kind: bool
    """True for what never was a ModelKit; false for one that is damaged."""


def _no_version(place: Reference, unreadable: Sequence[_Unreadable]) -> Problem | None:
    """Return what is said of a repository without a version that can be read; nothing where it never had one."""
    damaged = [item for item in unreadable if not item.is_of_another_kind]
    if not damaged:
        return None
    left = len(damaged) - 1
    more = "" if not left else f", and {left} more"
    return Problem(place.repository, f"no version can be read: {damaged[0].tags}: {damaged[0].reason}{more}")


def _release(
    asked: _Asked, repository: Repository, digest: Digest, tags: Sequence[str], deployments: Deployments
) -> Release | _Unreadable:
    try:
        return _read_release(asked, repository, digest, tags, deployments)
    except KitOpsError as error:
        if isinstance(error, RegistryError) and not isinstance(error, NotFoundError):
            raise  # the registry did not answer: the version may be well, and the repository was not read
        return _Unreadable(", ".join(tags), str(error), isinstance(error, UnsupportedModelKitError))


def _read_release(
    asked: _Asked, repository: Repository, digest: Digest, tags: Sequence[str], deployments: Deployments
) -> Release:
    trust, at, limits = asked.trust, asked.at, asked.limits
    version = read_version(repository, digest, trust=trust, elsewhere=asked.elsewhere, at=at, limits=limits)
    passport = Passport(
        version,
        training_data(repository, digest, trust=trust, at=at, limits=limits),
        sign_offs(repository, digest, trust=trust, elsewhere=asked.elsewhere, at=at, limits=limits),
        tuple(item for item in deployments.running if item.reference.target == digest),
        (),
        None if trust is None else check_signatures(repository, digest, trust=trust, at=at, limits=limits),
        ()
        if trust is None
        else witnessed(
            repository,
            digest,
            trust,
            version.lineage.promotions if asked.of_one_moment else (),
            moment=at,
            memory=asked.memory,
            limits=limits,
        ),
    )
    build = version.lineage.builds[-1] if version.lineage.builds else None
    made = format_timestamp(version.kit.created) if version.kit.created else None
    return Release(passport, tuple(tags), _name(tags), (build.time if build else None) or made)


def _name(tags: Sequence[str]) -> str:
    """Return the tag that looks most like a version number."""
    return min(tags, key=lambda tag: (not tag.removeprefix("v")[:1].isdigit(), -len(tag), natural_order(tag)))


def _with_courses(releases: Sequence[Release]) -> list[Release]:
    """Put the versions in their order, and give each the metrics of all."""
    ordered = sorted(releases, key=lambda item: (item.time or "", natural_order(item.name)))
    past = tuple(PastVersion(item.name, item.digest, item.time, metrics_of(item.passport.version)) for item in ordered)[
        -MAX_COURSE:
    ]
    return [replace(item, passport=replace(item.passport, history=past)) for item in ordered]


def _with_changes(repository: Repository, releases: Sequence[Release]) -> list[Release]:
    changed = [replace(release, since=_changes(repository, before, release)) for before, release in pairwise(releases)]
    return [*releases[:1], *changed]


def _changes(repository: Repository, before: Release, release: Release) -> ModelKitDiff:
    one, two = before.passport.version, release.passport.version
    return compare_versions(one, two, diff_kits(repository, one.kit, repository, two.kit, reads_folders=False))


def _stages(asked: _Asked, place: Reference) -> tuple[ModelStage, ...]:
    if asked.policy is None:
        histories: Sequence[StageHistory] = asked.verbs.overview(place, trust=asked.trust).stages
    else:
        histories = asked.verbs.status(place, policy=asked.policy, trust=asked.trust, is_complete=True)
    return tuple(_stage(asked, place, history) for history in histories)


def _stage(asked: _Asked, place: Reference, history: StageHistory) -> ModelStage:
    verbs, policy, trust = asked.verbs, asked.policy, asked.trust
    where = _place_of(asked, place, history)
    verdict = None
    if policy is not None and trust is not None:
        verdict = verbs.stage_verdict(place, stage=history.stage, policy=policy, trust=trust, may_be_empty=True)
    repository, tag = verbs.repository(where), history.tag
    frozen = why_frozen(repository, history.stage, tag, history.current, trust=trust, limits=asked.limits)
    said = at_anchor(repository, tag, {FREEZE}, trust=trust, limits=asked.limits)
    return ModelStage(history.stage, where, history, verdict, frozen, tuple(said))


def _place_of(asked: _Asked, place: Reference, history: StageHistory) -> Reference:
    """Return the repository of a stage: the policy's, else the one that its newest promotion went to."""
    if asked.policy is None and history.entries:
        try:
            return Reference.parse(history.entries[0].record.predicate.dst_ref).without_target()
        except InvalidReferenceError:
            return place
    return asked.verbs.stage_reference(place, history.stage, asked.policy)


def _waiting(
    asked: _Asked, place: Reference, releases: Sequence[Release], stages: Sequence[ModelStage]
) -> list[Waiting]:
    """Return what could go on if people approved it: of each stage the version that its source has now."""
    policy = asked.policy
    if policy is None or asked.trust is None:
        return []
    found = []
    by_name = {stage.name: stage for stage in stages}
    for stage in stages:
        candidate = _candidate(asked, place, releases, policy.stage(stage.name).sources, by_name)
        if candidate is None or candidate.digest == stage.current:
            continue
        try:
            plan = asked.verbs.plan(candidate, stage=stage.name, policy=policy, trust=asked.trust)
        except KitOpsError:
            continue  # what cannot be planned waits for nobody
        if plan.missing_approvals and not plan.failed_checks:
            found.append(Waiting(stage.name, plan.digest, plan))
    return found


def _candidate(
    asked: _Asked,
    place: Reference,
    releases: Sequence[Release],
    sources: Sequence[str],
    stages: Mapping[str, ModelStage],
) -> Reference | None:
    """Return what would go to a stage next: what its first source has, else the newest version."""
    for name in sources:
        if name in stages:
            current = stages[name].current
            return None if current is None else stages[name].place.with_digest(current)
        tagged = resolve_or_none(asked.verbs.repository(place), name)
        if tagged is not None:
            return place.with_digest(tagged)
    return place.with_digest(releases[-1].digest) if releases else None


def _owners(models: Sequence[Model]) -> Mapping[str, str]:
    """Return which repositories are a stage of which other one, by the policy or by the promotions into them."""
    here = {model.reference.name: model for model in models}
    found: dict[str, str] = {}
    for model in models:
        for stage in model.stages:
            other = here.get(stage.place.name)
            if other is not None and other is not model and stage.place.name != model.reference.name:
                found.setdefault(other.reference.name, model.name)
    return {name: owner for name, owner in found.items() if owner not in {here[key].name for key in found}}
