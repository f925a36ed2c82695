"""A second look by ``kingfisher`` (extra ``scan``): some 480 rules of providers, in this process and without a network.

It never validates or revokes a key: those calls of the library go to the network and are not used here.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any, Protocol

from kitops_orchestration import settings
from kitops_orchestration.modelkit.packing.gate.text import TextSecret

MAX_BYTES = 16 * 1024 * 1024
"""Of one file: of longer ones only our own rules see the ends."""


class Engine(Protocol):
    """What is used of ``kingfisher_sdk.Scanner``."""

    def scan(self, data: bytes) -> list[Any]:
        """Return findings with ``visible``, ``rule_id``, ``rule_name``, ``secret`` and ``location``."""
        ...

    def reset_dedup(self) -> None:
        """Forget the values that were seen."""
        ...


class Scanner:
    """Looks at whole files with somebody else's rules."""

    def __init__(self, engine: Engine, version: str) -> None:
        self._engine = engine
        self.name = ("kingfisher", version)

    def secrets_in(self, data: bytes) -> Iterator[TextSecret]:
        """Yield what the rules find; one value in two files is two findings."""
        self._engine.reset_dedup()
        for found in self._engine.scan(data):
            if found.visible:
                kind = f"found by the rule {found.rule_id} of kingfisher"
                yield TextSecret(
                    f"kingfisher:{found.rule_id}", kind, int(found.location["line"]), str(found.secret), True
                )


@functools.cache
def installed_scanner() -> Scanner | None:
    """Return the scanner, or ``None`` where the extra is not installed; its rules are compiled once for a process."""
    try:
        import kingfisher_sdk
        from kingfisher_sdk.scanner import DetectionPolicy
    except ImportError:
        return None
    rules = kingfisher_sdk.Rules(cache_dir=str(_cache_dir()))
    policy = DetectionPolicy(inline_ignores=False)  # a comment in the folder must not decide what leaves it
    return Scanner(kingfisher_sdk.Scanner(rules, policy=policy), str(kingfisher_sdk.__version__))


def _cache_dir() -> Any:
    folder = settings.cache_dir() / "kingfisher"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
