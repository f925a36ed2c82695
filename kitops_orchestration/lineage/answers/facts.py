"""What a passport knows; what it looks like is made from this, form by form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kitops_orchestration.lineage.answers.compare import Version, metrics_of

if TYPE_CHECKING:
    from kitops_orchestration.lineage.answers.deployment import RunningModelKit
    from kitops_orchestration.lineage.answers.requirements import RequirementsFile
    from kitops_orchestration.lineage.answers.sign_offs import SignOffs
    from kitops_orchestration.lineage.answers.training_data import TrainingData
    from kitops_orchestration.lineage.answers.witnessed import Witnessed
    from kitops_orchestration.oci.reference import Reference
    from kitops_orchestration.signing.verify import VerifyResult


@dataclass(frozen=True, slots=True)
class PastVersion:
    """A version among the others, with what it measured."""

    tag: str
    digest: str
    time: str | None
    metrics: dict[str, Any]


@dataclass(frozen=True, slots=True)
class PassportFacts:
    """One version of a model, as the registry knows it."""

    version: Version
    data: TrainingData
    sign_offs: SignOffs
    running: tuple[RunningModelKit, ...]
    """Places where this digest is in service."""
    history: tuple[PastVersion, ...]
    """Versions of the repository in their order, this one among them."""
    verdict: VerifyResult | None
    """``None`` where no trust policy was given."""
    witnessed: tuple[Witnessed, ...] = ()
    """What the trust policy's witnesses say of the version; nothing where it names none."""
    requirements: tuple[RequirementsFile, ...] = ()
    """Files of the ModelKit that name libraries, where somebody asked to read them; and layers not looked into."""

    @property
    def reference(self) -> Reference:
        """Pinned by digest."""
        return self.version.kit.reference

    @property
    def digest(self) -> str:
        """The manifest's digest."""
        return self.version.kit.digest

    @property
    def name(self) -> str:
        """The Kitfile's package name, else the repository's."""
        return self.version.kit.kitfile.package.name or self.reference.repository.rpartition("/")[2]

    @property
    def version_name(self) -> str:
        """The tag that was asked for, else the Kitfile's version, else the digest in short."""
        return self.reference.tag or self.version.kit.kitfile.package.version or self.version.kit.digest.short

    @property
    def description(self) -> str:
        """What the Kitfile says the ModelKit is for."""
        return self.version.kit.kitfile.package.description

    @property
    def licence(self) -> str:
        """The package's licence, else the model's."""
        kitfile = self.version.kit.kitfile
        return kitfile.package.license or (kitfile.model.license if kitfile.model else "")

    @property
    def metrics(self) -> dict[str, Any]:
        """Metric to value, as the run or the Kitfile states it."""
        return metrics_of(self.version)
