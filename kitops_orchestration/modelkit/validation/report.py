"""What a validation found: one finding at least for each thing that is looked at."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from kitops_orchestration.errors import (
    IntegrityError,
    InvalidReferenceError,
    KitfileError,
    ModelKitError,
    NotFoundError,
)
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.presentation.answer import Answer
from kitops_orchestration.presentation.page import Chip, Code, Facts, Mood, Page, Table

Verdict = Literal["ok", "note", "wrong"]
NAMES = ("manifest", "types", "kitfile", "layers", "blobs", "content", "parents", "file-list")
"""What is looked at, in this order; each has at least one finding."""

_SHOWN = 5

BROKEN = (IntegrityError, ModelKitError, KitfileError, NotFoundError, InvalidReferenceError)
"""What makes a finding; any other error means that the question cannot be asked."""


@dataclass(frozen=True, slots=True)
class ValidationFinding:
    """One thing that was looked at; a ``note`` says what was not, or what nobody has to mend."""

    name: str
    """One of :data:`NAMES`."""
    verdict: Verdict
    what: str
    where: str = ""
    """A digest, a path, or an entry of the Kitfile."""

    def to_json(self) -> dict[str, str]:
        """Return all members."""
        return {"name": self.name, "verdict": self.verdict, "what": self.what, "where": self.where}


@dataclass(frozen=True, slots=True)
class Validation(Answer):
    """All that was found about one ModelKit."""

    reference: Reference
    """Pinned by the digest that was looked at."""
    findings: tuple[ValidationFinding, ...]
    """In the order of :data:`NAMES`."""
    reads_layers: bool
    """False when layers were asked for existence and size alone."""

    @property
    def is_valid(self) -> bool:
        """True when nothing is wrong."""
        return not self.wrong

    @property
    def wrong(self) -> tuple[ValidationFinding, ...]:
        """What does not hold."""
        return tuple(finding for finding in self.findings if finding.verdict == "wrong")

    def require_valid(self) -> None:
        """Raise :class:`ModelKitError` with everything that is wrong; return for a valid ModelKit."""
        if self.wrong:
            raise ModelKitError(
                f"{self.reference} is not valid: {self.wrong_text()}",
                advice="do not use it: pack it again, or copy it again from where it is whole",
            )

    def wrong_text(self) -> str:
        """Return what is wrong in one line, shortened where it is much."""
        more = [f"and {len(self.wrong) - _SHOWN} more"] if len(self.wrong) > _SHOWN else []
        return "; ".join([*(f"{each.name}: {each.what}" for each in self.wrong[:_SHOWN]), *more])

    def to_json(self) -> dict[str, Any]:
        """Return reference, digest, verdict and every finding."""
        return {
            "reference": str(self.reference),
            "digest": str(self.reference.digest),
            "valid": self.is_valid,
            "readsLayers": self.reads_layers,
            "findings": [finding.to_json() for finding in self.findings],
        }

    def page(self) -> Page:
        """Return the verdict and every finding."""
        moods: dict[Verdict, Mood] = {"ok": "good", "note": "", "wrong": "bad"}
        rows = [
            (Chip(each.verdict, moods[each.verdict]), each.name, each.what, Code(each.where)) for each in self.findings
        ]
        return Page.of(
            "",
            Facts.of(("reference", Code(str(self.reference))), ("valid", "yes" if self.is_valid else "no")),
            Table.of(("verdict", "look at", "found", "where"), rows),
        )


@dataclass(slots=True)
class Report:
    """Findings as they come; :meth:`findings` puts them into order."""

    kept: list[ValidationFinding] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, name: str, verdict: Verdict, what: str, where: str = "") -> None:
        """Keep one finding; layers report from several threads."""
        with self.lock:
            self.kept.append(ValidationFinding(name, verdict, what, where))

    def wrong(self, name: str, what: str, where: str = "") -> None:
        """Keep what does not hold."""
        self.add(name, "wrong", what, where)

    @contextmanager
    def looking_at(self, name: str, where: str = "") -> Iterator[None]:
        """Make a finding of what is broken, and go on behind the block."""
        try:
            yield
        except BROKEN as error:
            self.wrong(name, str(error), where)

    def ok(self, name: str, what: str) -> None:
        """Say that something holds, unless something about it does not."""
        if not any(finding.name == name for finding in self.kept):
            self.add(name, "ok", what)

    def findings(self) -> tuple[ValidationFinding, ...]:
        """Return one finding at least for each name, in order; a thing that could not be looked at has a note."""
        for name in NAMES:
            if not any(finding.name == name for finding in self.kept):
                self.add(name, "note", "not looked at: what it stands on is broken")
        return tuple(sorted(self.kept, key=lambda each: (NAMES.index(each.name), each.where, each.what)))
