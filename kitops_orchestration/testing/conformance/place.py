"""Where cases are played: a registry with names that nobody uses, and a folder that is gone afterwards."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from kitops_orchestration.client import KitClient
from kitops_orchestration.errors import KitOpsError, NotFoundError
from kitops_orchestration.oci.reference import Reference


@dataclass(slots=True)
class Place:
    """Hands out names and folders; remembers the repositories, so that their tags can be taken away."""

    client: KitClient
    prefix: str
    """``host[:port]/path``: repositories are made under it."""
    folder: Path
    is_plain: bool
    """The registry speaks HTTP without TLS: other programs need a flag for that."""
    run_id: str
    made: list[Reference] = field(default_factory=list)
    _numbers: count[int] = field(default_factory=count)

    def repository(self) -> Reference:
        """Return a repository that nobody used before."""
        found = Reference.parse(f"{self.prefix}/{self.run_id}-{next(self._numbers)}")
        self.made.append(found)
        return found

    def reference(self, tag: str = "v1") -> Reference:
        """Return a tag in a repository that nobody used before."""
        return Reference.parse(f"{self.repository()}:{tag}")

    def must_answer(self) -> None:
        """Ask the registry for tags that are not there.

        Raises:
            RegistryError: it cannot be reached, or does not let us in.
        """
        with suppress(NotFoundError):
            self.client.tags(Reference.parse(f"{self.prefix}/{self.run_id}-any"))

    def path(self) -> Path:
        """Return a path where nothing is."""
        return self.folder / str(next(self._numbers))

    def clean_up(self) -> list[str]:
        """Take the tags away; return the repositories where that was refused."""
        left = []
        for repository in self.made:
            try:
                for tag in self.client.tags(repository):
                    self.client.remove(f"{repository}:{tag}")
            except NotFoundError:
                continue
            except KitOpsError:
                left.append(str(repository))
        return left
