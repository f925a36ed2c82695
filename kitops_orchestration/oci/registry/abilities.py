"""What a registry turned out to be able to do: learned while it is used, or by a probe, whose answer can be kept.

Only what costs nothing when it is out of date is kept on this machine: what a registry cannot do is not tried, what it
can do is tried first.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass, field
from pathlib import Path

from kitops_orchestration import settings
from kitops_orchestration.errors import KitOpsError

BELIEVED_SECONDS = 60
"""For so long a repository is not asked again for lists of referrers that it has not: a registry may learn to list."""
KEPT_SECONDS = 7 * 86_400
"""For so long a kept answer counts; a registry may be another one after an upgrade."""
_FOLDER = "registries"
_MOST_BYTES = 64 * 1024
_LARGEST_CHUNK = 1 << 40


@dataclass(slots=True)
class Abilities:
    """What a registry turned out to be able to do; ``None`` is not known yet."""

    has_referrers: bool | None = None
    """The API listed referrers of a repository, now or when it was probed; that it did not says nothing of others."""
    takes_large_bodies: bool = True
    takes_chunks: bool = True
    mounts: bool = True
    """Blobs are taken over from other repositories."""
    mounts_from_itself: bool = True
    """A mount from the repository itself is answered, by 201 or 202."""
    min_chunk_bytes: int = 0
    refused_mounts: set[tuple[str, str]] = field(default_factory=set)
    """Pairs of repositories, from and to, between which no mount is asked for again."""
    lists_of: set[str] = field(default_factory=set)
    """Repositories of which the API listed referrers."""
    no_lists_of: dict[str, float] = field(default_factory=dict)
    """Repositories of which it said twice that it has no such list, and when: seconds of the monotonic clock."""
    silent_tag_lists: set[str] = field(default_factory=set)
    """Repositories whose tags one small answer does not hold: they are not asked for once more."""

    def lists_referrers(self, repository: str) -> bool | None:
        """Tell whether the API lists the referrers of a repository; ``None`` where it has to be asked."""
        if repository in self.lists_of:
            return True
        said = self.no_lists_of.get(repository)
        if said is not None:
            return False if time.monotonic() - said < BELIEVED_SECONDS else None
        return self.has_referrers


def keep(registry: str, abilities: Abilities) -> Path:
    """Remember abilities for the transfers of this user on this machine; raises :class:`KitOpsError`."""
    from kitops_orchestration.disk.write import write_whole

    path = _path(registry)
    value = {
        "registry": registry,
        "keptAt": time.time(),
        "hasReferrers": abilities.has_referrers is True,
        "takesChunks": abilities.takes_chunks,
        "mounts": abilities.mounts,
        "minChunkBytes": abilities.min_chunk_bytes,
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise KitOpsError(f"cannot write into {path.parent}: {error.strerror}") from error
    write_whole(path, json.dumps(value).encode(), error=KitOpsError)
    return path


def kept(registry: str) -> Abilities:
    """Return what was remembered of a registry and is recent enough; what cannot be read is nothing."""
    abilities = Abilities()
    try:
        with _path(registry).open("rb") as file:
            value = json.loads(file.read(_MOST_BYTES))
        if value["registry"] != registry or not 0 <= time.time() - float(value["keptAt"]) < KEPT_SECONDS:
            return abilities
        least = value["minChunkBytes"]
        abilities.has_referrers = True if value["hasReferrers"] is True else None
        abilities.takes_chunks = value["takesChunks"] is not False
        abilities.mounts = abilities.mounts_from_itself = value["mounts"] is not False
        abilities.min_chunk_bytes = least if isinstance(least, int) and 0 <= least < _LARGEST_CHUNK else 0
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return Abilities()
    return abilities


def _path(registry: str) -> Path:
    return settings.cache_dir() / _FOLDER / f"{hashlib.sha256(registry.encode()).hexdigest()[:24]}.json"
