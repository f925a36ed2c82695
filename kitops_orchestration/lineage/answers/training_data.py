"""What data trained this model? Its own, and that of the models it was made from.

Two sources are read and kept apart: the provenance, which somebody signed, and the Kitfile, which the digest
covers.  A base model is another ModelKit with an answer of its own, so the question is asked again there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from kitops_orchestration.errors import InvalidReferenceError, KitOpsError, ModelKitError, NotFoundError
from kitops_orchestration.lineage.answers.questions import gather
from kitops_orchestration.lineage.statements.dependencies import Dependency, same_data
from kitops_orchestration.lineage.statements.kitfile_data import base_model_of, datasets_of
from kitops_orchestration.lineage.statements.provenance import Provenance
from kitops_orchestration.lineage.statements.recorded import Recorded
from kitops_orchestration.modelkit.inspect import inspect
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.presentation.answer import Answer
from kitops_orchestration.presentation.page import Code, Items, Page, Section, Table
from kitops_orchestration.settings import Limits
from kitops_orchestration.signing import predicate_types
from kitops_orchestration.signing.evidence import read_evidence

if TYPE_CHECKING:
    from kitops_orchestration.oci.repository import Repository
    from kitops_orchestration.signing.trust import TrustPolicy

OpenBase = Callable[[Reference], "Repository | None"]
"""Opens the repository of a base model; ``None`` where it shall not be followed."""

_MAX_MODELKITS = 64  # unsigned evidence may name any number of base models
_OCI = "oci://"


@dataclass(frozen=True, slots=True)
class DataUse:
    """One data set, and which ModelKit was made with it."""

    data: Dependency
    reference: Reference
    """The ModelKit that names it: the one asked about, or a base model."""
    depth: int
    """0 for the ModelKit itself, 1 for its base model, …"""
    said_by: Literal["provenance", "Kitfile"]
    is_verified: bool
    """True for a provenance that was checked; the Kitfile is covered by the digest and signed by nobody."""

    def to_json(self) -> dict[str, Any]:
        """Return data set, ModelKit and source."""
        return {
            **self.data.to_json(),
            "reference": str(self.reference),
            "depth": self.depth,
            "saidBy": self.said_by,
            "isVerified": self.is_verified,
        }


@dataclass(frozen=True, slots=True)
class TrainingData(Answer):
    """The answer to *what data trained this model?*"""

    reference: Reference
    is_checked: bool
    data: tuple[DataUse, ...]
    base_models: tuple[Dependency, ...]
    """All of them, through all levels."""
    gaps: tuple[str, ...]
    """What is not known: base models that could not be read, ModelKits that declare nothing."""

    @property
    def is_complete(self) -> bool:
        """True when every ModelKit on the way declares its data."""
        return not self.gaps

    def to_json(self) -> dict[str, Any]:
        """Return everything, ready for ``json.dumps``."""
        return {
            "reference": str(self.reference),
            "digest": self.reference.target,
            "isChecked": self.is_checked,
            "isComplete": self.is_complete,
            "data": [item.to_json() for item in self.data],
            "baseModels": [item.to_json() for item in self.base_models],
            "gaps": list(self.gaps),
        }

    def page(self) -> Page:
        """Return the data, who names it, and what is not known."""
        rows = [
            (
                item.data.shown,
                item.data.annotations.get("context"),
                Code(item.data.identity),
                item.reference.repository if item.depth else "this ModelKit",
                item.said_by + (", verified" if item.is_verified else ""),
            )
            for item in self.data
        ]
        return Page.of(
            f"Training data of {self.reference}",
            Table.of(("data", "use", "identity", "used by", "said by"), rows, empty="No data is declared."),
            Section.of("Not known", Items(self.gaps)),
        )


class TrainingDataOptions(TypedDict, total=False):
    """What :func:`training_data` takes by name and a client or an adapter hands through."""

    trust: TrustPolicy | None
    at: datetime | None
    limits: Limits


def training_data(
    repository: Repository,
    target: str,
    *,
    trust: TrustPolicy | None = None,
    open_base: OpenBase | None = None,
    at: datetime | None = None,
    limits: Limits = Limits(),
) -> TrainingData:
    """Return the data of the ModelKit at ``target`` and of its base models, level by level.

    For each ModelKit: its manifest, config and referrers, and two requests for each provenance; no layer.

    Args:
        repository: where to look.
        target: tag or digest.
        trust: only verified provenance counts then; the Kitfile is read in any case.
        open_base: opens the repositories of base models.  Without it only base models in ``repository`` are
            followed: evidence shall not decide which hosts this machine talks to.
        at: the moment for which keys have to be valid.
        limits: bounds the requests made at the same time.
    """
    digest = repository.resolve(target).digest
    search = _Search(trust, open_base, at, limits)
    search.visit(repository, digest, 0)
    return TrainingData(
        repository.reference.with_digest(digest),
        trust is not None,
        tuple(search.uses),
        tuple(search.bases),
        tuple(search.gaps),
    )


class _Search:
    """One walk over a ModelKit and its base models, level by level."""

    def __init__(
        self, trust: TrustPolicy | None, open_base: OpenBase | None, at: datetime | None, limits: Limits
    ) -> None:
        self.uses: list[DataUse] = []
        self.bases: list[Dependency] = []
        self.gaps: list[str] = []
        self._asked = (trust, at, limits)
        self._open_base = open_base
        # Evidence belongs to a repository, not to a digest alone.
        self._seen: set[tuple[str, str]] = set()

    def visit(self, repository: Repository, digest: str, depth: int) -> None:
        waiting = [(repository, digest, depth)]
        self._is_first(repository, digest)
        while waiting:
            place, wanted, depth = waiting.pop(0)
            for base in self._read(place, wanted, depth):
                following = _follow(place, base, self._open_base)
                if isinstance(following, str):
                    self.gaps.append(following)
                elif self._is_first(*following):
                    waiting.append((*following, depth + 1))

    def _is_first(self, place: Repository, digest: str) -> bool:
        """Tell whether a ModelKit is met for the first time, and remember it."""
        identity = (place.reference.name, str(digest))
        if identity in self._seen or len(self._seen) >= _MAX_MODELKITS:
            return False
        self._seen.add(identity)
        return True

    def _read(self, place: Repository, digest: str, depth: int) -> list[Dependency]:
        """Note the data of one ModelKit and return its base models."""
        trust, at, limits = self._asked
        try:
            builds = _builds(place, digest, trust, at, limits)
            found, parents = _read_one(place, digest, depth, builds, trust is not None)
        except (ModelKitError, NotFoundError) as error:
            if depth == 0:
                raise
            self.gaps.append(f"base model {place.reference.with_digest(digest)} cannot be read: {error}")
            return []
        if not found:
            self.gaps.append(f"{place.reference.with_digest(digest)} declares no data")
        self.uses += found
        self.bases += parents
        return parents


def _builds(
    repository: Repository, digest: str, trust: TrustPolicy | None, at: datetime | None, limits: Limits
) -> tuple[Recorded[Provenance], ...]:
    evidence = read_evidence(
        repository, digest, predicate_types={predicate_types.PROVENANCE}, trust=trust, at=at, limits=limits
    )
    return gather(repository.reference.with_digest(digest), evidence, is_checked=trust is not None).builds


def _read_one(
    repository: Repository, digest: str, depth: int, builds: tuple[Recorded[Provenance], ...], is_checked: bool
) -> tuple[list[DataUse], list[Dependency]]:
    kit = inspect(repository, digest)
    reference = repository.reference.with_digest(digest)
    uses: list[DataUse] = []
    parents: list[Dependency] = []
    for build in builds:
        for item in build.predicate.dependencies:
            if item.role == "dataset" and not any(same_data(item, use.data) for use in uses):
                uses.append(DataUse(item, reference, depth, "provenance", is_checked and build.evidence.is_verified))
            elif item.role == "base-model" and item not in parents:
                parents.append(item)
    for item in datasets_of(kit.kitfile, kit.layers):
        if not any(same_data(item, use.data) for use in uses):
            uses.append(DataUse(item, reference, depth, "Kitfile", is_verified=False))
    base = base_model_of(kit.kitfile, kit.manifest)
    if base is not None and not any(base.uri == item.uri for item in parents):
        parents.append(base)
    return uses, parents


def _follow(repository: Repository, base: Dependency, open_base: OpenBase | None) -> tuple[Repository, str] | str:
    """Return where a base model is, or why it cannot be followed."""
    try:
        reference = Reference.parse((base.uri or "").removeprefix(_OCI))
        if reference.registry == "localhost":  # in a Kitfile: the registry of the ModelKit that names it
            reference = replace(reference, registry=repository.reference.registry)
    except InvalidReferenceError:
        return f"base model {base.shown} is no ModelKit: its data is not known from here"
    try:
        place = _open(repository, reference, open_base)
        if place is None:
            return f"base model {reference} is in another repository, which was not opened"
        return place, place.resolve(base.sha256 or reference.target).digest
    except KitOpsError as error:
        return f"base model {reference} cannot be read: {error}"


def _open(repository: Repository, reference: Reference, open_base: OpenBase | None) -> Repository | None:
    if reference.name == repository.reference.name:
        return repository
    return None if open_base is None else open_base(reference)
