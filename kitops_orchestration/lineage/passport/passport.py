"""Passport: everything that is on record about one version, on one page.

It is a projection: it can be made again at any time from the registry, and nothing decides by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypedDict

from kitops_orchestration.errors import KitOpsError
from kitops_orchestration.lineage.answers.compare import metrics_of, read_version
from kitops_orchestration.lineage.answers.deployment import POINTER, deployments_of
from kitops_orchestration.lineage.answers.elsewhere import Elsewhere
from kitops_orchestration.lineage.answers.facts import PassportFacts, PastVersion
from kitops_orchestration.lineage.answers.requirements import read_requirements
from kitops_orchestration.lineage.answers.sign_offs import sign_offs
from kitops_orchestration.lineage.answers.tag_order import natural_order
from kitops_orchestration.lineage.answers.training_data import OpenBase, training_data
from kitops_orchestration.lineage.passport.annex_iv import NOTICE, AnnexPoint, annex_points
from kitops_orchestration.oci.resolve import tags_if_there
from kitops_orchestration.presentation.answer import Answer
from kitops_orchestration.settings import Limits
from kitops_orchestration.signing.timestamps import format_timestamp
from kitops_orchestration.signing.verify import check_signatures

if TYPE_CHECKING:
    from kitops_orchestration.lineage.answers.witnessed import LookForWitnesses
    from kitops_orchestration.oci.repository import Repository
    from kitops_orchestration.presentation.page import Page
    from kitops_orchestration.signing.trust import TrustPolicy

MAX_HISTORY = 12


@dataclass(frozen=True, slots=True)
class Passport(PassportFacts, Answer):
    """One version of a model, as the registry knows it, in the forms that people and programs read."""

    @property
    def annex_iv(self) -> tuple[AnnexPoint, ...]:
        """Points of the EU AI Act's Annex IV."""
        return annex_points(self)

    def to_json(self) -> dict[str, Any]:
        """Return everything, ready for ``json.dumps``."""
        kit = self.version.kit
        return {
            "name": self.name,
            "version": self.version_name,
            "reference": str(self.reference),
            "digest": str(self.digest),
            "created": format_timestamp(kit.created) if kit.created else None,
            "sizeBytes": kit.size_bytes,
            "description": self.description,
            "licence": self.licence,
            "authors": list(kit.kitfile.package.authors),
            "metrics": self.metrics,
            "lineage": self.version.lineage.to_json(),
            "trainingData": self.data.to_json(),
            "signatures": None if self.verdict is None else self.verdict.to_json(),
            "signOffs": self.sign_offs.to_json(),
            "deployments": [item.to_json() for item in self.running],
            "signedFiles": None if self.version.files is None else dict(self.version.files.files.files),
            "history": [
                {"tag": item.tag, "digest": item.digest, "time": item.time, "metrics": item.metrics}
                for item in self.history
            ],
            "checkpoints": [item.to_json() for item in self.witnessed],
            "card": [item.to_json() for item in self.version.lineage.written],
            "annexIV": {"notice": NOTICE, "points": [item.to_json() for item in self.annex_iv]},
        }

    def page(self) -> Page:
        """Return the page that all forms are made from."""
        from kitops_orchestration.lineage.passport.page import passport_page

        return passport_page(self)

    def to_html(self) -> str:
        """Return the page as one HTML file that needs nothing else: no script, no font, no address."""
        from kitops_orchestration.presentation import html

        return html.render(self.page())

    def to_cyclonedx(self) -> dict[str, Any]:
        """Return a CycloneDX 1.6 bill of materials with a model card, ready for ``attest``."""
        from kitops_orchestration.lineage.projections.cyclonedx import bill_of_materials

        return bill_of_materials(self)

    def to_spdx(self) -> dict[str, Any]:
        """Return an SPDX 3.0.1 document with the AI and Dataset profiles (JSON-LD), ready for ``json.dumps``."""
        from kitops_orchestration.lineage.projections.spdx import spdx_document

        return spdx_document(self)

    def to_model_card(self) -> str:
        """Return the page as Markdown below the front matter that the Hugging Face Hub reads."""
        from kitops_orchestration.lineage.passport.model_card import model_card

        return model_card(self, self.page())


class PassportOptions(TypedDict, total=False):
    """What :func:`passport` takes by name and a client or an adapter hands through."""

    trust: TrustPolicy | None
    max_history: int
    reads_requirements: bool
    at: datetime | None
    limits: Limits


def passport(
    repository: Repository,
    target: str,
    *,
    trust: TrustPolicy | None = None,
    open_base: OpenBase | None = None,
    elsewhere: Elsewhere | None = None,
    witnessed: LookForWitnesses | None = None,
    max_history: int = MAX_HISTORY,
    reads_requirements: bool = False,
    at: datetime | None = None,
    limits: Limits = Limits(),
) -> Passport:
    """Return the passport of the ModelKit at ``target``; no layer is fetched, unless ``reads_requirements``.

    With ``reads_requirements`` small layers (1 MiB as stored) are read for ``requirements.txt`` and ``conda.yaml``,
    so that a bill of materials names their libraries.

    With ``elsewhere`` what is on record where it was promoted to and from is on the page, too.
    With ``witnessed`` and a trust policy that names witnesses, what their checkpoints say of the version is, too.
    ``max_history`` bounds how many other versions are read for the course of the metrics; 0 reads none.
    """
    version = read_version(repository, target, trust=trust, elsewhere=elsewhere, at=at, limits=limits)
    digest = version.kit.digest
    deployed = deployments_of(repository, digest, trust=trust, elsewhere=elsewhere, at=at, limits=limits)
    return Passport(
        version,
        training_data(repository, digest, trust=trust, open_base=open_base, at=at, limits=limits),
        sign_offs(repository, digest, trust=trust, elsewhere=elsewhere, at=at, limits=limits),
        deployed.running,
        _history(repository, trust, max_history, at, limits),
        None if trust is None else check_signatures(repository, digest, trust=trust, at=at, limits=limits),
        ()
        if trust is None or witnessed is None
        else tuple(witnessed(repository, digest, trust, version.lineage.promotions)),
        read_requirements(repository, version.kit) if reads_requirements else (),
    )


def _history(
    repository: Repository,
    trust: TrustPolicy | None,
    count: int,
    at: datetime | None,
    limits: Limits,
) -> tuple[PastVersion, ...]:
    tags = [tag for tag in tags_if_there(repository) if _is_version(tag)]
    chosen = sorted(tags, key=natural_order)[-count:] if count else []
    one_by_one = replace(limits, concurrency=1)

    def read(tag: str) -> PastVersion | None:
        try:
            found = read_version(repository, tag, trust=trust, at=at, limits=one_by_one)
        except KitOpsError:
            return None  # gone, or something else than a ModelKit: no version of this model
        build = found.lineage.builds[-1] if found.lineage.builds else None
        return PastVersion(tag, found.kit.digest, build.time if build else None, metrics_of(found))

    with ThreadPoolExecutor(max_workers=limits.concurrency) as pool:
        found = [item for item in pool.map(read, chosen) if item is not None]
    return tuple(_once(found))


def _once(versions: Sequence[PastVersion]) -> list[PastVersion]:
    """One entry for each digest: the tag that looks most like a version number."""
    kept: dict[str, PastVersion] = {}
    for item in sorted(versions, key=lambda item: not item.tag.lstrip("v")[:1].isdigit()):
        kept.setdefault(item.digest, item)
    return sorted(kept.values(), key=lambda item: (item.time or "", natural_order(item.tag)))


def _is_version(tag: str) -> bool:
    return not tag.startswith(POINTER)
