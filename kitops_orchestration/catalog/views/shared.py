"""What several views need: rows of events, who approved, and how a statement stands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kitops_orchestration.catalog import addresses
from kitops_orchestration.catalog.words import Mark, evidence_mark
from kitops_orchestration.lineage.passport.statements import who

if TYPE_CHECKING:
    from kitops_orchestration.catalog.model import Catalog, Model, ModelStage, Release
    from kitops_orchestration.lineage.passport.statements import Said
    from kitops_orchestration.signing.evidence import Evidence


@dataclass(frozen=True, slots=True)
class EventRow:
    """One event, what it is about, and whether who says so counts."""

    model: Model
    time: str | None
    kind: str
    digest: str
    """Of the version; empty for what is about a stage."""
    name: str
    """The version, or the stage."""
    what: str
    evidence: Evidence | None
    mark: Mark | None

    @property
    def by(self) -> str:
        """The signer's name, where it is a statement."""
        return who(self.evidence) if self.evidence else ""

    @property
    def page(self) -> str:
        """The page of what it is about."""
        if not self.digest:
            return addresses.model_page(self.model.name)
        return addresses.version_page(self.model.name, self.digest)


def event_rows(site: Catalog) -> list[EventRow]:
    """Return what happened in every repository, newest first; a statement that was copied along counts once."""
    found: dict[tuple[str, str | None], EventRow] = {}
    for model in (*site.on_the_board, *(item for item in site.models if item.is_stage_of)):
        for row in (*_of_versions(site, model), *_of_stages(site, model)):
            found.setdefault((row.digest, None if row.evidence is None else row.evidence.descriptor.digest), row)
    return sorted(found.values(), key=lambda row: (row.time or "", row.digest, row.kind), reverse=True)


def _of_versions(site: Catalog, model: Model) -> Iterator[EventRow]:
    for event in model.events:
        name, evidence = name_of(model, event.digest), event.evidence
        mark = None if evidence is None else evidence_mark(evidence, is_checked=site.trust_digest is not None)
        yield EventRow(model, event.time, event.kind, event.digest, name, event.summary, evidence, mark)


def _of_stages(site: Catalog, model: Model) -> Iterator[EventRow]:
    for stage in model.stages:
        for item in stage.freezes:
            predicate = item.statement.predicate if item.statement else {}
            if predicate.get("stage") not in (None, stage.name):
                continue
            kind = "thaw" if predicate.get("action") == "thawed" else "freeze"
            mark = evidence_mark(item, is_checked=site.trust_digest is not None)
            if kind == "freeze" and mark.look == "none" and stage.frozen is not None:
                mark = Mark("lock", "Holds", f"a freeze holds whoever signs it; {item.reason}")
            yield EventRow(model, item.time, kind, "", stage.name, str(predicate.get("reason", "")), item, mark)


def name_of(model: Model, digest: str) -> str:
    """Return how people call a version."""
    release = model.release(digest)
    return release.name if release else digest.partition(":")[2][:12]


def approvers(release: Release | None, stage: ModelStage) -> str:
    """Return who approved a version for a stage, by the decisions that stand."""
    if release is None:
        return ""
    decisions = release.passport.sign_offs.decisions
    names = {
        who(item.record.evidence)
        for item in decisions
        if item.counts and item.record.predicate.environment == stage.name
    }
    return ", ".join(sorted(names))


def said_mark(said: Said, *, is_checked: bool) -> Mark:
    """Return how a statement about a version stands."""
    if said.verdict.mood == "bad" and said.evidence.is_verified and said.counts:
        text = said.verdict.text
        return Mark("bad", text[:1].upper() + text[1:])
    if said.counts and said.evidence.is_verified:
        return Mark("good", "Counts")
    if not is_checked:
        return Mark("open", "Not checked")
    return Mark("none", "Does not count", said.verdict.text.removeprefix("does not count: "))


def signature_mark(release: Release) -> Mark:
    """Return how the signature of a version stands."""
    verdict = release.passport.verdict
    if verdict is None:
        return Mark("open", "Not checked")
    if verdict.is_verified:
        return Mark("good", "Counts")
    return Mark("none", "Does not count" if verdict.signatures else "Not signed", verdict.reason)


def joined(parts: Iterable[str]) -> str:
    """Return parts that are not empty as one text."""
    return ", ".join(part for part in parts if part)
