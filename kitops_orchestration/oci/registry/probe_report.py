"""What a probe found out about a registry: for people, as JSON, and for the transfers that follow.

>>> report = ProbeReport("registry.example/team/probe", (ProbedAbility("ranges", True, "HTTP 206"),))
>>> report.has("ranges"), report.has("mount")
(True, None)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kitops_orchestration.oci.registry.abilities import Abilities
from kitops_orchestration.presentation.answer import Answer
from kitops_orchestration.presentation.page import Facts, Page, Table
from kitops_orchestration.presentation.value_text import size_text


@dataclass(frozen=True, slots=True)
class ProbedAbility:
    """One thing that a registry can or cannot do."""

    name: str
    has: bool | None
    """``None``: it could not be found out."""
    found: str
    """What it answered, in words for people."""

    def to_json(self) -> dict[str, Any]:
        """Return all members."""
        return {"name": self.name, "has": self.has, "found": self.found}


@dataclass(frozen=True, slots=True)
class ProbeReport(Answer):
    """What one repository of a registry answered."""

    repository: str
    """``host/name`` of the repository that was asked."""
    abilities: tuple[ProbedAbility, ...]
    min_chunk_bytes: int | None = None
    """The least size of a chunk but the last, where the registry names one."""
    left_behind: tuple[str, ...] = ()
    """What the registry did not let go of again: tags, manifests, blobs."""

    def has(self, name: str) -> bool | None:
        """Return what is known of one ability."""
        return next((item.has for item in self.abilities if item.name == name), None)

    def to_json(self) -> dict[str, Any]:
        """Return all that was found."""
        return {
            "repository": self.repository,
            "abilities": [item.to_json() for item in self.abilities],
            "minChunkBytes": self.min_chunk_bytes,
            "leftBehind": list(self.left_behind),
        }

    def page(self) -> Page:
        """Return a row for each ability."""
        words = {True: "yes", False: "no", None: "unknown"}
        least = None if self.min_chunk_bytes is None else size_text(self.min_chunk_bytes)
        return Page.of(
            "",
            Table.of(
                ("ability", "", "what it answered"),
                [(item.name, words[item.has], item.found) for item in self.abilities],
            ),
            Facts.of(
                ("repository", self.repository),
                ("least chunk", least),
                ("left behind", ", ".join(self.left_behind) or "nothing"),
            ),
        )

    def teach(self, abilities: Abilities) -> None:
        """Tell a session what was found, so that its transfers need not find it out.

        That there is no list of referrers is not told: it costs one request to learn, and evidence that a registry can
        list since its last upgrade must not stay unseen.
        """
        if self.has("referrers"):
            abilities.has_referrers = True
        if self.has("chunks") is False:
            abilities.takes_chunks = False
        if self.has("mount") is False:
            abilities.mounts_from_itself = abilities.mounts = False
        if self.min_chunk_bytes is not None:
            abilities.min_chunk_bytes = self.min_chunk_bytes
