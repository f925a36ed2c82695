"""Who is trusted: identities, their keys and when those are valid, and what a role may vouch for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from kitops_orchestration.signing.timestamps import format_timestamp

if TYPE_CHECKING:
    from kitops_orchestration.signing.keyless.identity import CertificateIdentity
    from kitops_orchestration.signing.keys import PublicKey


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """A key and when it may be used; the bounds are inclusive, ``None`` is open."""

    public_key: PublicKey
    not_before: datetime | None = None
    not_after: datetime | None = None
    is_retired: bool = False
    """Vouches for nothing any more; a "no" that it signed still binds."""
    is_compromised: bool = False
    """Whatever it signed is worth nothing, both ways."""

    @property
    def window(self) -> list[str]:
        """The bounds as text, empty where they are open, and what became of the key."""
        bounds = [format_timestamp(bound) if bound else "" for bound in (self.not_before, self.not_after)]
        state = "compromised" if self.is_compromised else "retired" if self.is_retired else ""
        return [*bounds, state]

    def why_not(self, moment: datetime) -> str | None:
        """Return why the key does not count at ``moment``, or ``None`` when it does."""
        if self.is_retired:
            return "the key is retired"
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
    certificates: tuple[CertificateIdentity, ...] = ()
    """How short-lived certificates name it: workflows of CI have no key of their own."""

    @property
    def shown(self) -> str:
        """The name where there is one, else the id."""
        return self.name or self.id


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may vouch for a predicate type, and how many distinct identities must."""

    roles: frozenset[str]
    threshold: int = 1
