"""Facts: everything that the checks of a stage may look at, read once and from registries alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from kitops_orchestration.errors import NotFoundError
from kitops_orchestration.lineage.statements.attach import load_evidence
from kitops_orchestration.modelkit.inspect import inspect
from kitops_orchestration.promotion.rules.policy import PromotionPolicy, Stage
from kitops_orchestration.settings import Limits
from kitops_orchestration.signing import predicate_types
from kitops_orchestration.signing.signed_files import bound_roots
from kitops_orchestration.signing.timestamps import CLOCK_SKEW, format_timestamp, now, parse_timestamp

if TYPE_CHECKING:
    from kitops_orchestration.modelkit.inspect import ModelKit
    from kitops_orchestration.oci.descriptor import Digest
    from kitops_orchestration.oci.repository import Repository
    from kitops_orchestration.promotion.records.history import HistoryEntry
    from kitops_orchestration.signing.evidence import Evidence
    from kitops_orchestration.signing.trust import TrustPolicy

OpenStage = Callable[[str], "Repository | None"]
"""Stage name to the repository that the stage's tag is in."""


@dataclass(frozen=True, slots=True)
class Facts:
    """One digest on its way to one stage."""

    repository: Repository
    kit: ModelKit
    evidence: Sequence[Evidence]
    stage: Stage
    policy: PromotionPolicy
    trust: TrustPolicy | None
    open_stage: OpenStage = field(repr=False)
    moment: datetime
    current: Digest | None = None
    """What the stage's tag points at now."""
    is_rollback: bool = False
    """True where checks may be left out that the stage skips on the way back."""
    entered: HistoryEntry | None = None
    """The record that counts of how the digest came into the stage, where it is there already."""
    is_fresh: bool = False
    """True to judge ages of evidence now, and not at the moment of entry."""

    @property
    def age_moment(self) -> datetime:
        """The moment at which ages are judged: evidence that was young at entry does not grow too old for a stage."""
        said = self.entered.record.when if self.entered is not None and not self.is_fresh else None
        return min(self.moment, parse_timestamp(said)) if said else self.moment

    def is_young(self, time: str | None, days: float) -> bool:
        """Tell whether evidence of ``time`` is no older than so many days, at the moment for which ages are judged.

        A date in the future is a wrong clock or a lie; neither makes evidence fresh.
        """
        said = parse_timestamp(time)
        return said <= self.moment + CLOCK_SKEW and self.age_moment - said <= timedelta(days=float(days))

    @property
    def digest(self) -> Digest:
        """The manifest that wants to move."""
        return self.kit.digest

    def verified(self, predicate_type: str) -> list[Evidence]:
        """Return the evidence of a type that counts, oldest first: signed by somebody whom the trust policy names.

        A directory signature names files and no ModelKit: it counts with a statement that ties it to this one.
        """
        found = [item for item in self.evidence if item.is_verified and item.predicate_type == predicate_type]
        if predicate_type != predicate_types.DIRECTORY:
            return found
        roots = bound_roots(self.evidence, is_trust_given=True)
        return [item for item in found if item.statement and item.statement.subject[0].digest.get("sha256") in roots]

    def threshold(self, predicate_type: str) -> int:
        """Return how many different identities have to vouch for a type, by the trust policy."""
        rule = self.trust.rule(predicate_type) if self.trust else None
        return 1 if rule is None else rule.threshold

    def agreed(self, predicate_type: str) -> list[Evidence]:
        """Return what :meth:`verified` does, or nothing while fewer identities vouch than the trust policy demands."""
        found = self.verified(predicate_type)
        return found if len(signers(found)) >= self.threshold(predicate_type) else []

    def of(self, repository: Repository, digest: Digest) -> Facts:
        """Return the same facts about another ModelKit: what a stage has now."""
        return gather(
            repository,
            digest,
            stage=self.stage,
            policy=self.policy,
            trust=self.trust,
            open_stage=self.open_stage,
            moment=self.moment,
        )

    def roles_of(self, identity_id: str | None) -> frozenset[str]:
        """Return the roles that the trust policy gives an identity."""
        return self.trust.roles_of(identity_id) if self.trust else frozenset()


def signers(evidence: Sequence[Evidence]) -> set[str]:
    """Return the different identities that signed."""
    return {item.signer for item in evidence if item.signer}


def newest(evidence: Sequence[Evidence], moment: datetime) -> list[Evidence]:
    """Return the last of the statements: several of the same second, and those of which the order is not known.

    What says no time, or one after ``moment`` (a wrong clock, or a lie), is among them: it hides nothing that came
    before it, and nothing hides it.
    """
    dated = [(item, item.time) for item in evidence]
    latest = format_timestamp(moment + CLOCK_SKEW)
    last = max((time for _, time in dated if time is not None and time <= latest), default=None)
    return [item for item, time in dated if time is None or time == last or time > latest]


def gather(
    repository: Repository,
    target: str,
    *,
    stage: Stage,
    policy: PromotionPolicy,
    trust: TrustPolicy | None,
    open_stage: OpenStage,
    current: Digest | None = None,
    is_rollback: bool = False,
    moment: datetime | None = None,
    also_in: Repository | None = None,
    limits: Limits = Limits(),
) -> Facts:
    """Read the manifest, the Kitfile and all evidence of ``target``; no layer is fetched.

    ``also_in`` is another repository that may know the same digest: who took an approval back where the ModelKit
    runs has taken it back.
    """
    kit = inspect(repository, target)
    evidence = load_evidence(repository, kit.digest, trust=trust, at=moment, limits=limits)
    if also_in is not None and also_in.reference.name != repository.reference.name:
        evidence = _together(evidence, _load_or_none(also_in, kit.digest, trust, moment, limits))
    return Facts(
        repository, kit, evidence, stage, policy, trust, open_stage, moment or now(), current, is_rollback=is_rollback
    )


def _load_or_none(
    repository: Repository, digest: Digest, trust: TrustPolicy | None, moment: datetime | None, limits: Limits
) -> list[Evidence]:
    try:
        return load_evidence(repository, digest, trust=trust, at=moment, limits=limits)
    except NotFoundError:
        return []


def _together(here: list[Evidence], there: list[Evidence]) -> list[Evidence]:
    known = {item.descriptor.digest for item in here}
    both = [*here, *(item for item in there if item.descriptor.digest not in known)]
    return sorted(both, key=lambda item: (item.time or "", item.descriptor.digest))


def kitfile_mlflow(kit: ModelKit) -> Mapping[str, Any]:
    """Return ``model.parameters.mlflow`` of the Kitfile, or an empty mapping."""
    model = kit.kitfile.model
    parameters = model.parameters if model is not None else None
    found = parameters.get("mlflow") if isinstance(parameters, Mapping) else None
    return found if isinstance(found, Mapping) else {}
