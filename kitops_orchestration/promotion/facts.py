"""Facts: everything that the checks of a stage may look at, read once and from registries alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from kitops_orchestration.lineage.attach import load_evidence
from kitops_orchestration.modelkit.inspect import inspect
from kitops_orchestration.promotion.policy import PromotionPolicy, Stage
from kitops_orchestration.settings import Limits
from kitops_orchestration.signing.timestamps import now

if TYPE_CHECKING:
    from kitops_orchestration.modelkit.inspect import ModelKit
    from kitops_orchestration.oci.descriptor import Digest
    from kitops_orchestration.oci.repository import Repository
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

    @property
    def digest(self) -> Digest:
        """The manifest that wants to move."""
        return self.kit.digest

    def verified(self, predicate_type: str) -> list[Evidence]:
        """Return the evidence of a type that counts, oldest first: signed by somebody whom the trust policy names."""
        return [item for item in self.evidence if item.is_verified and item.predicate_type == predicate_type]

    def roles_of(self, identity_id: str | None) -> frozenset[str]:
        """Return the roles that the trust policy gives an identity."""
        for identity in self.trust.identities if self.trust else ():
            if identity.id == identity_id:
                return identity.roles
        return frozenset()


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
    limits: Limits = Limits(),
) -> Facts:
    """Read the manifest, the Kitfile and all evidence of ``target``; no layer is fetched."""
    kit = inspect(repository, target)
    evidence = load_evidence(repository, kit.digest, trust=trust, at=moment, limits=limits)
    return Facts(
        repository, kit, evidence, stage, policy, trust, open_stage, moment or now(), current, is_rollback=is_rollback
    )


def kitfile_metrics(kit: ModelKit) -> Mapping[str, Any]:
    """Return the metrics in the Kitfile (``model.parameters.mlflow.metrics``); they are part of the digest."""
    return _mlflow(kit, "metrics")


def kitfile_mlflow(kit: ModelKit) -> Mapping[str, Any]:
    """Return ``model.parameters.mlflow`` of the Kitfile, or an empty mapping."""
    model = kit.kitfile.model
    parameters = model.parameters if model is not None else None
    found = parameters.get("mlflow") if isinstance(parameters, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _mlflow(kit: ModelKit, member: str) -> Mapping[str, Any]:
    found = kitfile_mlflow(kit).get(member)
    return found if isinstance(found, Mapping) else {}
