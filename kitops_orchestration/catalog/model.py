"""The site as a value: models, their versions and stages, and what happened, as the core's verbs answer it.

Pages are made of this alone and of no registry, so that a page can be tested without either.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kitops_orchestration.errors import KitOpsError
from kitops_orchestration.oci.descriptor import Digest
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.presentation.answer import Answer
from kitops_orchestration.presentation.page import Code, Facts, Page, Section, Table

if TYPE_CHECKING:
    from kitops_orchestration.catalog.words import State
    from kitops_orchestration.lineage.answers.compare import ModelKitDiff
    from kitops_orchestration.lineage.answers.deployment import Deployments
    from kitops_orchestration.lineage.answers.timeline import Event
    from kitops_orchestration.lineage.answers.training_data import DataUse
    from kitops_orchestration.lineage.answers.witnessed import WitnessedRepository
    from kitops_orchestration.lineage.passport.passport import Passport
    from kitops_orchestration.promotion.plan import PromotionPlan
    from kitops_orchestration.promotion.records.history import HistoryEntry, StageHistory
    from kitops_orchestration.promotion.stage_verdict import StageVerdict
    from kitops_orchestration.signing.evidence import Evidence


@dataclass(frozen=True, slots=True)
class Release:
    """One version of a model: a digest, its tags, and its passport."""

    passport: Passport
    tags: tuple[str, ...]
    """Without those that say where something runs."""
    name: str
    """The tag that looks most like a version number, else the digest in short."""
    time: str | None
    """When it was trained or packed, as the provenance or the manifest says; RFC 3339, UTC."""
    since: ModelKitDiff | None = None
    """What changed since the version before it."""

    @property
    def digest(self) -> Digest:
        """The manifest's digest."""
        return self.passport.version.kit.digest


@dataclass(frozen=True, slots=True)
class ModelStage:
    """One stage of a model, and what is said of it today."""

    name: str
    place: Reference
    """The repository that has the stage's tag."""
    history: StageHistory
    verdict: StageVerdict | None
    """``None`` where no policy or no trust policy was given: then nothing is judged."""
    frozen: str | None
    """Why nothing may enter it; ``None`` when it is open."""
    freezes: tuple[Evidence, ...] = ()
    """Every freeze and thaw that hangs on its tag."""

    @property
    def current(self) -> Digest | None:
        """What its tag points at."""
        return self.history.current

    @property
    def state(self) -> State:
        """The verdict in a word."""
        if self.current is None and (self.verdict is None or self.verdict.answer == "yes"):
            return "empty"
        if self.verdict is None:
            return "not judged"
        return {"yes": "holds", "no": "red", "unknown": "unknown"}[self.verdict.answer]  # type: ignore[return-value] # three of them

    @property
    def entry(self) -> HistoryEntry | None:
        """The promotion that brought there what it has."""
        found = self.history.entries[:1]
        return found[0] if found and found[0].digest == self.current else None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A version that lacks nothing but people's approval to go to a stage."""

    stage: str
    digest: Digest
    plan: PromotionPlan


@dataclass(frozen=True, slots=True)
class Model:
    """One repository of ModelKits."""

    reference: Reference
    releases: tuple[Release, ...]
    """Oldest first."""
    stages: tuple[ModelStage, ...]
    waiting: tuple[Waiting, ...]
    deployments: Deployments
    events: tuple[Event, ...]
    """Oldest first."""
    is_stage_of: str | None = None
    """The repository whose stage this one is; the board shows that one."""
    unreadable: tuple[tuple[str, str], ...] = ()
    """Tags that name no ModelKit that can be read, and why."""
    checkpoints: tuple[WitnessedRepository, ...] = ()
    """What each witness of the trust policy lists of the repository, and whether all of it is here."""
    is_name_shared: bool = False
    """True where another registry has a repository of the same name."""

    @property
    def name(self) -> str:
        """The repository, without its registry where that says enough."""
        return self.reference.name.removeprefix("file:///") if self.is_name_shared else self.reference.repository

    @property
    def newest(self) -> Release | None:
        """The newest version."""
        return self.releases[-1] if self.releases else None

    def release(self, digest: str | None) -> Release | None:
        """Return the version of a digest, where it is one of this repository."""
        return next((item for item in self.releases if item.digest == digest), None)

    def before(self, release: Release) -> Release | None:
        """Return the version before another one."""
        at = self.releases.index(release)
        return self.releases[at - 1] if at else None

    def stages_with(self, digest: str) -> tuple[ModelStage, ...]:
        """Return the stages whose tag points at a digest."""
        return tuple(stage for stage in self.stages if stage.current == digest)


@dataclass(frozen=True, slots=True)
class Problem:
    """A repository that could not be read, and why."""

    repository: str
    reason: str

    def to_json(self) -> dict[str, Any]:
        """Return both."""
        return {"repository": self.repository, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class DataSet:
    """One data set, by its identity, and everything that was made with it."""

    identity: str
    """``sha256:…`` where the statements give a digest, else an address or a name."""
    name: str
    is_by_digest: bool
    uses: tuple[tuple[Model, Release, DataUse], ...]


@dataclass(frozen=True, slots=True)
class Published:
    """A site that was written."""

    folder: Path
    files: int
    size_bytes: int

    def to_json(self) -> dict[str, Any]:
        """Return folder, files and bytes."""
        return {"folder": str(self.folder), "files": self.files, "sizeBytes": self.size_bytes}


@dataclass(frozen=True, slots=True)
class Catalog(Answer):
    """What a site is made of."""

    source: str
    """The registry or repository that was asked for."""
    as_of: str
    """When the registry was asked; RFC 3339, UTC."""
    policy_digest: Digest | None
    trust_digest: Digest | None
    models: tuple[Model, ...]
    problems: tuple[Problem, ...] = ()
    only_new: bool = False
    """True where what moved or was attached since ``as_of`` was not looked for."""
    mlflow_addresses: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Host to address of MLflow servers whose pages runs are linked to."""
    published: Published | None = None
    """The site that was written of it."""

    @property
    def on_the_board(self) -> tuple[Model, ...]:
        """The models that are no stage of another one."""
        return tuple(model for model in self.models if model.is_stage_of is None)

    @property
    def state(self) -> Digest:
        """The digest of what is said, without when it was asked: the same as long as nothing changes."""
        said = {name: value for name, value in self.to_json().items() if name not in ("asOf", "onlyNew", "site")}
        passports = [release.passport.to_json() for model in self.models for release in model.releases]
        known = [said, passports, dict(self.mlflow_addresses)]
        return Digest.of(json.dumps(known, sort_keys=True, default=str).encode())

    def counts(self) -> dict[str, int]:
        """Return how many models, versions and red stages are on the board, by the names that programs read."""
        stages = [stage for model in self.on_the_board for stage in model.stages]
        return {
            "modelCount": len(self.on_the_board),
            "versionCount": sum(len(model.releases) for model in self.on_the_board),
            "redCount": sum(stage.state == "red" for stage in stages),
        }

    def require_all_read(self) -> None:
        """Raise :class:`KitOpsError` that names each repository which could not be read; the site has the others."""
        if self.problems:
            told = "; ".join(f"{item.repository}: {item.reason}" for item in self.problems)
            raise KitOpsError(
                f"the catalog lacks what could not be read: {told}", advice="look there, and run it again"
            )

    def data_sets(self) -> tuple[DataSet, ...]:
        """Return every data set that any version names, by name; a version that is in two places counts once."""
        names: dict[str, tuple[str, bool]] = {}
        uses: dict[str, dict[str, tuple[Model, Release, DataUse]]] = {}
        for model, release, use in self._uses():
            identity = use.data.identity
            names.setdefault(identity, (use.data.shown, bool(use.data.digest)))
            uses.setdefault(identity, {}).setdefault(release.digest, (model, release, use))
        found = [DataSet(key, *names[key], tuple(items.values())) for key, items in uses.items()]
        return tuple(sorted(found, key=lambda item: (item.name, item.identity)))

    def _uses(self) -> Iterator[tuple[Model, Release, DataUse]]:
        for model in (*self.on_the_board, *(item for item in self.models if item.is_stage_of)):
            for release in model.releases:
                for use in release.passport.data.data:
                    yield model, release, use

    def to_json(self) -> dict[str, Any]:
        """Return what machines want of the board: versions, stages with their verdicts, places."""
        return {
            "reference": self.source,
            "asOf": self.as_of,
            "onlyNew": self.only_new,
            "policyDigest": self.policy_digest,
            "trustDigest": self.trust_digest,
            "models": [_model_json(model) for model in self.models],
            "problems": [item.to_json() for item in self.problems],
            "site": None if self.published is None else self.published.to_json(),
        }

    def page(self) -> Page:
        """Return the board as a table."""
        rows = [
            (model.name, str(len(model.releases)), stage.name, Code(stage.current.short), stage.state, stage.frozen)
            for model in self.on_the_board
            for stage in model.stages
            if stage.current is not None
        ]
        site = self.published
        head = ("model", "versions", "stage", "digest", "today", "frozen")
        problems = Table.of(("repository", "why"), [(item.repository, item.reason) for item in self.problems])
        return Page.of(
            f"Catalog of {self.source}",
            Facts.of(
                ("as of", self.as_of),
                ("models", str(len(self.on_the_board))),
                ("site", None if site is None else Code(str(site.folder / "index.html"))),
                ("files", None if site is None else f"{site.files}, {site.size_bytes:,} bytes"),
            ),
            Table.of(head, rows, empty="No stage has anything."),
            Section.of("Could not be read", problems),
        )


def _model_json(model: Model) -> dict[str, Any]:
    return {
        "reference": str(model.reference),
        "stageOf": model.is_stage_of,
        "versions": [
            {"digest": item.digest, "tags": list(item.tags), "name": item.name, "time": item.time}
            for item in model.releases
        ],
        "stages": [
            {
                "stage": stage.name,
                "repository": str(stage.place),
                "digest": stage.current,
                "state": stage.state,
                "reason": stage.verdict.reason if stage.verdict else None,
                "frozen": stage.frozen,
            }
            for stage in model.stages
        ],
        "waiting": [
            {
                "stage": item.stage,
                "digest": item.digest,
                "for": [check.expected for check in item.plan.missing_approvals],
            }
            for item in model.waiting
        ],
        "running": [
            {"environment": item.environment, "target": item.target.shown, "digest": item.reference.target}
            for item in model.deployments.running
        ],
    }
