"""Who is trusted: identities, their keys and when those are valid, and what a role may vouch for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from kitops_orchestration.signing.timestamps import format_timestamp

if TYPE_CHECKING:
    from kitops_orchestration.signing.keys import PublicKey


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """A key and when it may be used; the bounds are inclusive, ``None`` is open."""

    public_key: PublicKey
    not_before: datetime | None = None
    not_after: datetime | None = None

    def why_not(self, moment: datetime) -> str | None:
        """Return why the key does not count at ``moment``, or ``None`` when it does."""
        if self.not_before is not None and moment < self.not_before:
            return f"the key is valid from {format_timestamp(self.not_before)} on"
        if self.not_after is not None and moment > self.not_after:
            return f"the key was valid until {format_timestamp(self.not_after)}"
        return None


@dataclass(frozen=True, slots=True)
class Identity:
    """A person or a system, with its keys and roles."""

    id: str
    keys: tuple[TrustedKey, ...]
    roles: frozenset[str]
    name: str | None = None
    email: str | None = None

    @property
    def shown(self) -> str:
        """The name where there is one, else the id."""
        return self.name or self.id


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may vouch for a predicate type, and how many distinct identities must."""

    roles: frozenset[str]
    threshold: int = 1
