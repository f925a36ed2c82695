"""The check ``checkpoint``: nothing that a witness listed was taken away, in any repository that decides.

That is where the version comes from, where it goes, and the stages that it came through or is compared with.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from kitops_orchestration.lineage.statements import Promotion
from kitops_orchestration.lineage.statements.recorded import read
from kitops_orchestration.lineage.statements.verdict import SeenCheckpoint
from kitops_orchestration.promotion.checkpoint.memory import CheckpointMemory, FileMemory
from kitops_orchestration.promotion.checkpoint.verify import Asked, RecordedNumber, Verifier, recorded_numbers
from kitops_orchestration.promotion.checks.builtin import NO_TRUST, CheckResult, versions_compared
from kitops_orchestration.promotion.checks.facts import Facts
from kitops_orchestration.promotion.records.history import promotions_of
from kitops_orchestration.settings import Limits
from kitops_orchestration.signing import predicate_types
from kitops_orchestration.signing.timestamps import now

if TYPE_CHECKING:
    from kitops_orchestration.oci.descriptor import Digest
    from kitops_orchestration.oci.repository import Repository
    from kitops_orchestration.promotion.rules.checkpoint_rule import CheckpointRule
    from kitops_orchestration.promotion.rules.policy import Stage
    from kitops_orchestration.signing.trust import TrustPolicy


def check_checkpoint(
    facts: Facts,
    rule: CheckpointRule,
    destination: Repository,
    tag: str,
    *,
    memory: CheckpointMemory | None = None,
    limits: Limits = Limits(),
) -> tuple[CheckResult, tuple[SeenCheckpoint, ...]]:
    """Judge a version on its way to ``tag`` in ``destination``; what was seen is remembered in ``memory``.

    The checkpoints that count are returned as well, for the record: whoever keeps nothing has the numbers from there.
    """
    questions, least = list(_questions(facts, destination, tag)), _least(facts, destination, limits)
    return _judged(rule, questions, facts.trust, facts.moment, memory, limits, least)


def check_stage(
    rule: CheckpointRule,
    stage: Stage,
    repository: Repository,
    trust: TrustPolicy,
    *,
    digest: str | None = None,
    memory: CheckpointMemory | None = None,
    limits: Limits = Limits(),
) -> CheckResult:
    """Judge what a stage has, or ``None`` where its tag is not there: never was, or was taken away."""
    asked = Asked(repository, digest, ((stage.name, stage.tag),))
    return _judged(rule, [asked], trust, now(), memory, limits, {})[0]


def _least(facts: Facts, destination: Repository, limits: Limits) -> dict[str, RecordedNumber]:
    """The highest numbers that promotions on record saw: of this version, and of what the stage has now."""
    found = [item for item in facts.evidence if item.is_verified]
    if facts.trust is not None and facts.current not in (None, facts.digest):
        entries = promotions_of(destination, facts.current, trust=facts.trust, limits=limits)
        found += [entry.record.evidence for entry in entries]
    return recorded_numbers(read(found, Promotion, predicate_types.PROMOTION)[0])


def _judged(
    rule: CheckpointRule,
    questions: list[Asked],
    trust: TrustPolicy | None,
    moment: datetime,
    memory: CheckpointMemory | None,
    limits: Limits,
    least: Mapping[str, RecordedNumber],
) -> tuple[CheckResult, tuple[SeenCheckpoint, ...]]:
    young = f"a checkpoint of a witness, at most {rule.max_age_hours:g} hours old"
    few = f"checkpoints of {rule.witnesses} witnesses, at most {rule.max_age_hours:g} hours old"
    expected = f"{few if rule.witnesses > 1 else young}, and all that it lists"
    if trust is None:
        return CheckResult("checkpoint", False, expected, NO_TRUST), ()
    kept = FileMemory() if memory is None else memory
    found = Verifier(rule, trust, moment, kept, limits, least).verdict(questions)
    manifests = tuple(dict.fromkeys(found.manifests))
    return CheckResult("checkpoint", found.is_good, expected, found.words, manifests), tuple(found.seen)


def _questions(facts: Facts, destination: Repository, tag: str) -> Iterator[Asked]:
    """One for each repository, however many stages are in it."""
    asked: dict[str, Asked] = {}

    def ask(
        repository: Repository | None,
        *tags: tuple[str, str],
        compared: tuple[Digest, ...] = (),
        restores: str | None = None,
    ) -> None:
        if repository is None:
            return  # the check that needs that repository says so
        name = repository.reference.name
        known = asked.get(name, Asked(repository, str(facts.digest)))
        merged = tuple(dict.fromkeys((*known.tags, *tags)))
        others = tuple(dict.fromkeys((*known.compared, *map(str, compared))))
        asked[name] = replace(known, tags=merged, compared=others, restores=restores or known.restores)

    ask(facts.repository)
    ask(destination, (facts.stage.name, tag), restores=tag)
    for name in _stages_before(facts):
        ask(facts.open_stage(name))
    for spec in facts.stage.checks:
        if spec.kind == "notWorseThan":
            other = facts.policy.stage(spec.arguments["stage"])
            tags = () if other.name == facts.stage.name else ((other.name, other.tag),)
            ask(facts.open_stage(other.name), *tags, compared=versions_compared(facts, spec.arguments))
    yield from asked.values()


def _stages_before(facts: Facts) -> list[str]:
    """The stages whose checks are made again on the way in, and those before them; a circle ends."""
    found: list[str] = []
    waiting = list(facts.stage.sources)
    while waiting:
        name = waiting.pop()
        stage = facts.policy.stages.get(name)
        # A stage without a repository of its own is where the version comes from.
        if stage is not None and name not in found and name != facts.stage.name:
            found.append(name)
            waiting.extend(stage.sources)
    return [name for name in found if facts.policy.stage(name).destination]
