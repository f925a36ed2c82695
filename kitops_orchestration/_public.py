"""The public names of a package, each imported when it is first used.

A package lists its names in ``__all__`` and says here in which of its modules each one lives, so that importing the
package costs nothing and its modules can move without anybody noticing::

    if not TYPE_CHECKING:  # a type checker reads the imports above instead, and knows a name that is not there
        __getattr__, __dir__ = public_names(__name__, {"Reference": "reference"})
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any


def public_names(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` for a package.

    Args:
        package: its dotted name.
        homes: name to module, as seen from the package: ``layout.repository``.
    """

    def find(name: str) -> Any:
        home = homes.get(name)
        if home is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f"{package}.{home}"), name)
        setattr(sys.modules[package], name, value)  # the next one who asks does not come here
        return value

    return find, lambda: sorted(homes)
