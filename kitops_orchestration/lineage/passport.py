"""Passport: everything that is on record about one version, on one page.

It is a projection: it can be made again at any time from the registry, and nothing decides by it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from kitops_orchestration.errors import KitOpsError
from kitops_orchestration.lineage.annex_iv import NOTICE, AnnexPoint, annex_points
from kitops_orchestration.lineage.deployment import POINTER, where_deployed
from kitops_orchestration.lineage.diff import metrics_of, read_version
from kitops_orchestration.lineage.passport_facts import PassportFacts, PastVersion
from kitops_orchestration.lineage.sign_offs import sign_offs
from kitops_orchestration.lineage.training_data import OpenBase, training_data
from kitops_orchestration.settings import Limits
from kitops_orchestration.signing.timestamps import format_timestamp
from kitops_orchestration.signing.verify import check_signatures

if TYPE_CHECKING:
    from kitops_orchestration.oci.repository import Repository
    from kitops_orchestration.signing.trust import TrustPolicy

MAX_HISTORY = 12


@dataclass(frozen=True, slots=True)
class Passport(PassportFacts):
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
            "annexIV": {"notice": NOTICE, "points": [item.to_json() for item in self.annex_iv]},
        }

    def to_markdown(self) -> str:
        """Return the page as Markdown."""
        from kitops_orchestration.lineage.passport_markdown import render

        return render(self)

    def to_html(self) -> str:
        """Return the page as one HTML file that needs nothing else: no script, no font, no address."""
        from kitops_orchestration.lineage.passport_html import render

        return render(self)

    def _repr_html_(self) -> str:
        """Return the page in short: the whole one has a style sheet that would restyle the notebook around it."""
        from kitops_orchestration.modelkit.notebook import facts_table, section, table

        verdict = self.verdict
        checked = "not checked: no trust policy was given" if verdict is None else verdict.reason
        facts = [
            ("reference", str(self.reference)),
            ("description", self.description),
            ("licence", self.licence),
            ("signature", "verified" if verdict is not None and verdict.is_verified else checked),
            ("in service", ", ".join(item.environment for item in self.running)),
        ]
        metrics = [(name, str(value)) for name, value in self.metrics.items()]
        return section(f"{self.name} {self.version_name}", facts_table(facts), table(("metric", "value"), metrics))

    def to_cyclonedx(self) -> dict[str, Any]:
        """Return a CycloneDX 1.6 bill of materials with a model card, ready for ``attest``."""
        from kitops_orchestration.lineage.cyclonedx import bill_of_materials

        return bill_of_materials(self)


def passport(
    repository: Repository,
    target: str,
    *,
    trust: TrustPolicy | None = None,
    open_base: OpenBase | None = None,
    max_history: int = MAX_HISTORY,
    at: datetime | None = None,
    limits: Limits = Limits(),
) -> Passport:
    """Return the passport of the ModelKit at ``target``; no layer is fetched.

    ``max_history`` bounds how many other versions are read for the course of the metrics; 0 reads none.
    """
    version = read_version(repository, target, trust=trust, at=at, limits=limits)
    digest = version.kit.digest
    deployed = where_deployed(repository, trust=trust, at=at, limits=limits)
    return Passport(
        version,
        training_data(repository, digest, trust=trust, open_base=open_base, at=at, limits=limits),
        sign_offs(repository, digest, trust=trust, at=at, limits=limits),
        tuple(item for item in deployed.running if item.reference.target == digest),
        _history(repository, trust, max_history, at, limits),
        None if trust is None else check_signatures(repository, digest, trust=trust, at=at, limits=limits),
    )


def _history(
    repository: Repository,
    trust: TrustPolicy | None,
    count: int,
    at: datetime | None,
    limits: Limits,
) -> tuple[PastVersion, ...]:
    tags = [tag for tag in repository.tags() if _is_version(tag)]
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


def natural_order(tag: str) -> list[tuple[int, int, str]]:
    """Return a key that sorts ``v9`` before ``v10``, and names before numbers."""
    parts = re.findall(r"\d+|\D+", tag)
    return [(1, int(part), "") if part.isdigit() else (0, 0, part) for part in parts]
