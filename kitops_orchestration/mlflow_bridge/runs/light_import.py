"""How MLflow is imported: by one thread at a time, and without data frames where runs are read and nothing else.

The whole of MLflow imports pandas, pyarrow and SciPy for datasets and signatures, which nothing here asks for, and
holds about 80 MiB of them.  It does without where they are not installed; a process of our own may pretend that.
"""

from __future__ import annotations

import importlib
import importlib.abc
import sys
import threading
from collections.abc import Sequence
from typing import Any

_FRAMES = frozenset({"numpy", "pandas", "pyarrow", "scipy"})
_ONE_AT_A_TIME = threading.RLock()


class _Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name: str, path: Sequence[str] | None, target: Any = None) -> None:  # noqa: ARG002 - the import system's call
        if name in _FRAMES:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def import_mlflow() -> None:
    """Import MLflow, before anything of it is asked for in a thread; raises ``ImportError`` where it is not installed.

    Its modules import each other in circles.  Of two threads that begin at once, Python lets one see half a module so
    that neither waits for ever; the import then fails, and stays half done for as long as the process lives.
    """
    with _ONE_AT_A_TIME:
        importlib.import_module("mlflow")


def import_without_frames() -> None:
    """Import MLflow without them, unless it or they are imported already; without MLflow nothing happens.

    For processes that run nobody else's code: MLflow's own datasets stay without data frames in them.
    """
    with _ONE_AT_A_TIME:
        if not sys.modules.keys().isdisjoint({"mlflow", *_FRAMES}):
            return
        finder = _Absent()
        sys.meta_path.insert(0, finder)
        try:
            importlib.import_module("mlflow")
        except ImportError:
            # A release that cannot do without: it is imported as a whole when it is needed.
            for name in [name for name in sys.modules if name.partition(".")[0] == "mlflow"]:
                del sys.modules[name]
        finally:
            sys.meta_path.remove(finder)
