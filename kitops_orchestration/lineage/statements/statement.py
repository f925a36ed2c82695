"""Any typed predicate, said of a digest in an in-toto Statement."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from kitops_orchestration.signing.statement import Statement


@runtime_checkable
class Predicate(Protocol):
    """What can be said of a ModelKit."""

    @property
    def predicate_type(self) -> str:
        """The URI that names the type."""
        ...

    def to_json(self) -> dict[str, Any]:
        """Return the predicate object; the same value gives the same object."""
        ...


def statement_about(digest: str, predicate: Predicate, *, name: str | None = None) -> Statement:
    """Return the statement that ``predicate`` holds for the manifest ``digest``."""
    return Statement.build(digest, predicate.predicate_type, predicate.to_json(), name=name)
