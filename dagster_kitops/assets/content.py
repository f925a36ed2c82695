"""What the body of a ModelKit asset may return, and what is packed for it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kitops_orchestration.modelkit.kitfile import Kitfile


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelKitContent:
    """The parts of a ModelKit, named: return this where a directory alone does not say enough.

    ``grafts`` maps paths inside the kit to files or directories elsewhere, which are read in place.
    ``metadata`` goes to the materialization; numbers become plots, so put metrics there.
    """

    context_dir: Path | None = None
    kitfile: "Kitfile | Path | None" = None  # noqa: UP037 # evaluated by documentation tools
    grafts: Mapping[str, Path] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    tag: str | None = None
    extra_tags: tuple[str, ...] = ()

    @classmethod
    def of(cls, value: Any) -> ModelKitContent:
        """Read what a body returned: a directory, a mapping of kit path to file, a Kitfile, or this.

        Raises:
            TypeError: anything else; nothing is pickled behind your back.
        """
        from kitops_orchestration.modelkit.kitfile import Kitfile

        if isinstance(value, ModelKitContent):
            return value
        if isinstance(value, (str, os.PathLike)):
            return cls(context_dir=Path(value))
        if isinstance(value, Kitfile):
            return cls(kitfile=value)
        if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
            return cls(grafts={key: Path(path) for key, path in value.items()})
        raise TypeError(
            f"a ModelKit is made of a directory, a mapping of path to file, a Kitfile or a ModelKitContent, "
            f"not of {type(value).__name__}"
        )

    def completed(self, *, context_dir: Path | None, kitfile: "Kitfile | Path | None") -> ModelKitContent:  # noqa: UP037 # as above
        """Return this content with the decorator's directory and Kitfile where the body gave none."""
        return replace(
            self,
            context_dir=self.context_dir or context_dir,
            kitfile=self.kitfile if self.kitfile is not None else kitfile,
        )
