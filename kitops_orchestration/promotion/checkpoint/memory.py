"""What was seen of checkpoints before: a number that goes back is a roll-back, and only memory can tell.

Kept by whoever verifies: on a machine in a folder of state, in an orchestrator in what its instance shares.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

from kitops_orchestration import settings
from kitops_orchestration.disk.lock import brief_machine_lock, file_lock
from kitops_orchestration.disk.write import write_whole
from kitops_orchestration.errors import KitOpsError, PromotionError

_ATTEMPTS = 5


class CheckpointMemory(Protocol):
    """Keeps a short text under a key, for everybody who shares the memory."""

    def load(self, key: str) -> str | None:
        """Return what was saved under ``key``, or ``None``."""
        ...

    def save(self, key: str, value: str) -> None:
        """Keep ``value``; what was there is replaced."""
        ...


@dataclass(frozen=True, slots=True)
class Seen:
    """The highest checkpoint of one witness key that was seen."""

    version: int
    root: str
    manifest: str

    def to_json(self) -> dict[str, Any]:
        """Return the object that is kept."""
        return {"version": self.version, "root": self.root, "manifest": self.manifest}

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Read what :meth:`to_json` wrote."""
        return cls(int(value["version"]), str(value["root"]), str(value["manifest"]))


class FileMemory:
    """Memory in a folder of this machine: ``KITOPS_ORCHESTRATION_STATE``, else below ``XDG_STATE_HOME``.

    Not in the cache, which may be thrown away.
    """

    def load(self, key: str) -> str | None:
        """Return the file's text; raises :class:`PromotionError` where it is there and cannot be read."""
        path = self._path(key)
        try:
            return path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise _unusable("read", path, error) from error

    def save(self, key: str, value: str) -> None:
        """Write the file whole; raises :class:`PromotionError`."""
        path = self._path(key)
        try:
            write_whole(path, value, makes_folders=True)
        except KitOpsError as error:
            raise _unusable("write", path, error) from error

    @contextmanager
    def alone(self, key: str) -> Iterator[None]:
        """Keep everybody else who uses the folder from changing ``key``; raises :class:`PromotionError`."""
        # Beside what it guards, and not in the cache: two users of one folder may have a cache each.
        path = self._path(key).with_suffix(".lock")
        with ExitStack() as stack:
            try:
                stack.enter_context(file_lock(path))
            except OSError as error:
                raise _unusable("write", path, error) from error
            yield

    def _path(self, key: str) -> Path:
        try:
            return settings.state_dir() / "checkpoints" / f"{key}.json"
        except RuntimeError as error:  # there is no home
            raise _unusable("find", "the folder of state", error) from error


class OneRun:
    """Memory that ends with the process: for who must not judge by what was seen before."""

    def __init__(self) -> None:
        self._kept: dict[str, str] = {}

    def load(self, key: str) -> str | None:
        """Return what this run saved."""
        return self._kept.get(key)

    def save(self, key: str, value: str) -> None:
        """Keep it until the run ends."""
        self._kept[key] = value


def _unusable(verb: str, path: object, error: Exception) -> PromotionError:
    return PromotionError(
        f"cannot {verb} what was seen of checkpoints at {path}: {getattr(error, 'strerror', None) or error}",
        advice="make it readable and writable, or set KITOPS_ORCHESTRATION_STATE to a folder that is",
    )


def recall(memory: CheckpointMemory, repository: str) -> dict[str, Seen]:
    """Return what was seen of a repository's checkpoints, by the witness key's tag.

    Raises:
        PromotionError: what is kept cannot be read; nothing is taken for granted then.
    """
    text = memory.load(_key(repository))
    if text is None:
        return {}
    try:
        return {tag: Seen.from_json(item) for tag, item in json.loads(text)["witnesses"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PromotionError(
            f"what was seen of the checkpoints of {repository} cannot be read: {error}",
            advice="look who changed it; take it away only when you know that no checkpoint went back",
        ) from error


def remember(memory: CheckpointMemory, repository: str, tag: str, seen: Seen) -> None:
    """Keep the highest number of a witness key; a lower one, or the same once more, changes nothing.

    Between machines no lock helps: what was saved is looked at again, and saved again where another one put less there.

    Raises:
        PromotionError: the memory cannot be written, or does not keep what is saved.
    """
    if _has(recall(memory, repository), tag, seen):
        return  # the usual case, for which nothing has to be writable
    alone = (
        memory.alone(_key(repository))
        if isinstance(memory, FileMemory)
        else brief_machine_lock(f"checkpoints:{repository}")
    )
    with alone:
        for _ in range(_ATTEMPTS):
            known = recall(memory, repository)
            if _has(known, tag, seen):
                return
            witnesses = {name: item.to_json() for name, item in sorted({**known, tag: seen}.items())}
            memory.save(
                _key(repository), json.dumps({"repository": repository, "witnesses": witnesses}, indent=2) + "\n"
            )
        if not _has(recall(memory, repository), tag, seen):
            raise PromotionError(
                f"the memory does not keep that checkpoint {seen.version} of {repository} was seen",
                advice="try again; where that does not help, look who else writes to it",
            )


def _has(known: Mapping[str, Seen], tag: str, seen: Seen) -> bool:
    return tag in known and known[tag].version >= seen.version


def _key(repository: str) -> str:
    return hashlib.sha256(repository.encode()).hexdigest()
