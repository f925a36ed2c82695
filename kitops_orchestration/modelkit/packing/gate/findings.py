"""What the gate found, in words for people and as JSON; no value of a secret is ever in it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from kitops_orchestration.errors import GateRefusedError
from kitops_orchestration.presentation.answer import Answer
from kitops_orchestration.presentation.page import Chip, Code, Facts, Mood, Page, Table
from kitops_orchestration.presentation.value_text import counted, size_text

Level = Literal["refuse", "warn"]
Topic = Literal["secret", "content"]
KITFILE = "Kitfile"
"""The name of findings about the Kitfile's own texts, wherever it was read from."""
_BESIDE_LAYERS = (KITFILE, "annotations")
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class GateFinding:
    """One reason not to send a file."""

    path: str
    """In the packed folder; a folder's ends with ``/``."""
    topic: Topic
    rule: str
    kind: str
    """What it is, in words for people."""
    level: Level
    fingerprint: str
    """Of the rule and the value: the same wherever the value stands."""
    line: int | None = None
    """Counted from 1; ``None`` for a finding about the whole file."""
    reason: str | None = None
    """Why it was allowed; ``None`` when it was not."""

    @property
    def where(self) -> str:
        """Path and line."""
        return self.path if self.line is None else f"{self.path}:{self.line}"

    def to_json(self) -> dict[str, Any]:
        """Return the finding as errors, reports and statements carry it."""
        value = {
            "path": self.path,
            "line": self.line,
            "topic": self.topic,
            "rule": self.rule,
            "kind": self.kind,
            "level": self.level,
            "fingerprint": self.fingerprint,
            "reason": self.reason,
        }
        return {key: item for key, item in value.items() if item is not None}


def fingerprint(rule: str, value: str) -> str:
    """Return what an allow list knows a value by.

    A short password can be guessed from it, so allow lists are never packed.
    """
    return hashlib.sha256(f"{rule}\0{value}".encode("utf-8", "surrogateescape")).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class GateReport(Answer):
    """What was looked at, and what was found."""

    findings: tuple[GateFinding, ...] = ()
    files: int = 0
    size_bytes: int = 0
    """Of the files that were looked at; of long texts the middle was not read."""
    not_checked: tuple[str, ...] = ()
    """Files whose content nothing here reads, archives for example, with the reason."""
    scanners: tuple[tuple[str, str], ...] = field(default=())
    """Name and version of each set of rules that was applied."""

    @property
    def refused(self) -> tuple[GateFinding, ...]:
        """What keeps the folder from being packed."""
        return tuple(item for item in self.findings if item.level == "refuse" and item.reason is None)

    @property
    def warned(self) -> tuple[GateFinding, ...]:
        """What is packed all the same."""
        return tuple(item for item in self.findings if item.level == "warn" and item.reason is None)

    @property
    def allowed(self) -> tuple[GateFinding, ...]:
        """What somebody allowed, with the reason."""
        return tuple(item for item in self.findings if item.reason is not None)

    @property
    def result(self) -> Literal["PASSED", "WARNED", "FAILED"]:
        """The verdict in one word."""
        if self.refused:
            return "FAILED"
        return "WARNED" if self.warned or self.allowed else "PASSED"

    def warnings(self) -> list[str]:
        """Return what a pack says of a folder that passed."""
        said = [f"{item.where}: {item.kind}" for item in self.warned]
        return [*said, *(f"{item.where}: {item.kind}, allowed: {item.reason}" for item in self.allowed)]

    def to_json(self) -> dict[str, Any]:
        """Return the report; findings carry fingerprints, never values."""
        return {
            "result": self.result,
            "scanners": [{"name": name, "version": version} for name, version in self.scanners],
            "lookedAt": {"files": self.files, "bytes": self.size_bytes},
            "notChecked": list(self.not_checked),
            "findings": [item.to_json() for item in self.findings],
        }

    def page(self) -> Page:
        """Return the findings, and what was looked at."""
        rows = [(Code(item.where), item.kind, _verdict(item)) for item in self.findings]
        facts = Facts.of(
            ("result", Chip(self.result, _MOODS[self.result])),
            ("looked at", f"{counted(self.files, 'file')}, {size_text(self.size_bytes)}"),
            ("not looked into", counted(len(self.not_checked), "file") if self.not_checked else None),
        )
        return Page.of("", *([Table.of(("where", "what", "verdict"), rows)] if rows else []), facts)

    def raise_if_refused(self) -> None:
        """Raise :class:`GateRefusedError` with every reason, when there is one."""
        if self.refused:
            raise GateRefusedError(
                _refusal(self.refused), findings=[item.to_json() for item in self.refused], advice=_advice(self.refused)
            )


_MOODS: dict[str, Mood] = {"PASSED": "good", "WARNED": "warn", "FAILED": "bad"}


def _verdict(finding: GateFinding) -> Chip:
    if finding.reason is not None:
        return Chip(f"allowed: {finding.reason}", "warn")
    return Chip("refused", "bad") if finding.level == "refuse" else Chip("warning", "warn")


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _refusal(refused: Sequence[GateFinding]) -> str:
    secrets = sum(item.topic == "secret" for item in refused)
    broken = len(refused) - secrets
    parts = [_count(secrets, "secret")] if secrets else []
    parts += [_count(broken, "broken file")] if broken else []
    verb = "is" if len(refused) == 1 else "are"
    lines = [f"nothing was sent: {' and '.join(parts)} {verb} among what would be packed"]
    width = max(len(item.where) for item in refused[:_SHOWN])
    lines += [f"  {item.where:<{width}}  {item.kind}" for item in refused[:_SHOWN]]
    if len(refused) > _SHOWN:
        lines.append(f"  and {len(refused) - _SHOWN} more: `kitctl scan` lists them")
    return "\n".join(lines)


def _advice(refused: Sequence[GateFinding]) -> str:
    return "; ".join(_ways_out(refused))


def _ways_out(refused: Sequence[GateFinding]) -> Iterator[str]:
    first = refused[0]
    if first.path in _BESIDE_LAYERS:
        yield f"take it out of the {first.path}"
    else:
        yield f"leave it out with a line in .kitignore: {first.path}"
    secret = next((item for item in refused if item.topic == "secret"), None)
    broken = next((item for item in refused if item.topic == "content"), None)
    if secret is not None:
        yield f"or, if it is no secret, allow it: --allow-secret '{secret.where}=why'"
        yield "a secret that was sent once already has to be revoked, because a registry keeps what it got"
    if broken is not None and "git lfs" not in broken.kind:
        yield f"or, if the file is as it should be, allow it: --allow-content '{broken.path}=why'"
