"""Challenges (``WWW-Authenticate``) and scopes: what a registry asks for, as values.

Source: RFC 9110 section 11, and the token specification of distribution ("Token Scope Documentation").
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from kitops_orchestration.oci.descriptor import EMPTY

_SCHEME = re.compile(r"[\s,]*([A-Za-z][A-Za-z0-9!#$%&'*+.^_`|~-]*)(?:\s+|$|(?=\s*,))")
_PARAMETER = re.compile(r'[\s,]*([A-Za-z][A-Za-z0-9_-]*)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')


@dataclass(frozen=True, slots=True)
class Challenge:
    """One way to authenticate that a server offers; ``scheme`` is lower case."""

    scheme: str
    parameters: Mapping[str, str] = field(default_factory=lambda: EMPTY, hash=False)

    @property
    def realm(self) -> str:
        """Where tokens are given out, for Bearer."""
        return self.parameters.get("realm", "")

    @property
    def service(self) -> str:
        """The name under which the token service knows the registry."""
        return self.parameters.get("service", "")

    @property
    def scopes(self) -> tuple[str, ...]:
        """The scopes that the refused request needs."""
        return tuple(self.parameters.get("scope", "").split())


def parse_challenges(headers: Iterable[str]) -> list[Challenge]:
    """Read all challenges out of the values of ``WWW-Authenticate``; what cannot be read is left out."""
    found: list[Challenge] = []
    for text in headers:
        position = 0
        while match := _SCHEME.match(text, position):
            scheme, position = match[1].lower(), match.end()
            parameters: dict[str, str] = {}
            while item := _PARAMETER.match(text, position):
                quoted = item[2]
                value = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else item[3]
                parameters[item[1].lower()] = value
                position = item.end()
            found.append(Challenge(scheme, parameters))
    return found


def preferred(challenges: Sequence[Challenge]) -> Challenge | None:
    """Return the challenge to answer: Bearer before Basic, others are not understood."""
    for scheme in ("bearer", "basic"):
        for challenge in challenges:
            if challenge.scheme == scheme:
                return challenge
    return None


def merge_scopes(*groups: Iterable[str]) -> tuple[str, ...]:
    """Join scopes into one sorted set, the actions of one resource in one scope."""
    actions: dict[str, set[str]] = {}
    for group in groups:
        for scope in group:
            resource, _, wanted = scope.rpartition(":")
            actions.setdefault(resource, set()).update(filter(None, wanted.split(",")))
    return tuple(f"{resource}:{','.join(sorted(wanted))}" for resource, wanted in sorted(actions.items()))


def repository_scope(repository: str, *actions: str) -> str:
    """Return the scope for actions (``pull``, ``push``, ``delete``) on a repository."""
    return f"repository:{repository}:{','.join(sorted(actions))}"
