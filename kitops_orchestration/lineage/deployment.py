"""Where ModelKits run: recording it, and asking.

A pointer tag for each place, ``deploy-<environment>.<target>``, says which digest runs there, so that the answer
costs requests by the number of places and not of versions.  A tag alone proves nothing: it counts when the newest
deployment statement on its digest says the same.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from kitops_orchestration.errors import NotFoundError, RegistryResponseError
from kitops_orchestration.lineage import report
from kitops_orchestration.lineage.attach import Attached, attach
from kitops_orchestration.lineage.recorded import Recorded, counted, read
from kitops_orchestration.lineage.statements import Deployment, DeploymentTarget, RunContext
from kitops_orchestration.oci.descriptor import Digest
from kitops_orchestration.oci.resolve import resolve_or_none
from kitops_orchestration.settings import Limits
from kitops_orchestration.signing import predicate_types
from kitops_orchestration.signing.evidence import read_evidence
from kitops_orchestration.signing.timestamps import format_timestamp, now

if TYPE_CHECKING:
    from kitops_orchestration.lineage.predicates import Action
    from kitops_orchestration.oci.reference import Reference
    from kitops_orchestration.oci.repository import Repository
    from kitops_orchestration.signing.keys import Signer
    from kitops_orchestration.signing.trust import TrustPolicy

POINTER = "deploy-"
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
            "since": self.record.time,
            "pointer": self.pointer,
            "record": self.record.to_json(),
        }


@dataclass(frozen=True, slots=True)
class Deployments:
    """The answer to *which version is deployed where?*"""

    repository: Reference
    is_checked: bool
    running: tuple[RunningModelKit, ...]
    unproven: tuple[tuple[str, str, str], ...]
    """Pointer tags that no statement bears out: tag, digest, why."""

    def to_json(self) -> dict[str, Any]:
        """Return everything, ready for ``json.dumps``."""
        unproven = [{"pointer": tag, "digest": digest, "reason": why} for tag, digest, why in self.unproven]
        return {
            "repository": str(self.repository),
            "isChecked": self.is_checked,
            "running": [item.to_json() for item in self.running],
            "unproven": unproven,
        }

    def to_markdown(self) -> str:
        """Return a table for people."""
        rows = [
            (
                item.environment,
                item.target.shown,
                Digest(item.reference.target).short,
                item.record.predicate.ref,
                item.record.time,
                item.record.believed(),
            )
            for item in self.running
        ]
        head = ("environment", "target", "digest", "reference", "since", "who says so")
        return report.page(
            f"Deployments of {self.repository}",
            "",
            report.table(head, rows)
            or "Nothing is known to be deployed: `kitctl record-deployment` says that something is.",
            report.section("Unproven", report.table(("tag", "digest", "why"), self.unproven), None),
        )


def pointer_tag(environment: str, target: DeploymentTarget) -> str:
    """Return the tag that points at what runs there: the same for the same place, another for every other."""
    readable = "-".join(part for part in (target.cluster, target.namespace, target.name) if part)
    place = _tag_text(readable, _MAX_TAG - len(POINTER) - _MAX_ENVIRONMENT - 10)
    check = hashlib.sha256(f"{environment}\n{target.key}".encode()).hexdigest()[:8]
    return f"{POINTER}{_tag_text(environment, _MAX_ENVIRONMENT)}.{place}-{check}"


def _tag_text(text: str, length: int) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "-", text)[:length]


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

    ``deployed_on`` is now unless given, or the run's start where ``run_context`` knows it, so that a retry of
    the same run records nothing twice.
    """
    digest = repository.resolve(target).digest
    pointer = pointer_tag(environment, place)
    before = resolve_or_none(repository, pointer)
    context = run_context or RunContext()
    moment = deployed_on or context.started_on or now()
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


def where_deployed(
    repository: Repository,
    *,
    trust: TrustPolicy | None = None,
    at: datetime | None = None,
    limits: Limits = Limits(),
) -> Deployments:
    """Return which version runs where.

    Requests: the list of tags; one for each place; then one for each digest that runs somewhere, and two for
    each deployment statement on it.  The number of versions does not matter.
    """
    pointers = [tag for tag in repository.tags() if tag.startswith(POINTER)]
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
            unproven.append((tag, digest, why))
        elif record.predicate.action == "deployed":
            running.append(RunningModelKit(repository.reference.with_digest(digest), tag, record))
    return Deployments(repository.reference, trust is not None, tuple(running), tuple(unproven))


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
