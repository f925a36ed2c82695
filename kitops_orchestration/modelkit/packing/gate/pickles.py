"""What a pickle would run when it is loaded, by the rules of ``picklescan`` (extra ``scan``).

That a file is a pickle at all is found without the extra.
"""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from kitops_orchestration.modelkit.pickle_bytes import is_pickle

_SECONDS = 60
_CHILD = Path(__file__).with_name("pickle_child.py")
_WRITTEN = re.compile(
    r"cloudpickle\.cloudpickle(_fast)?\."  # the second until cloudpickle 3
    r"(_builtin_type|_(class|function)_setstate|_cell_set|_empty_cell_value|_fill_function|_gen_(ellipsis|not_implemented)"
    r"|_get_dataclass_field_type_sentinel|_make_(cell|empty_cell|function|skel_func|skeleton_(class|enum)|typevar)"
    r"|_make_dict_(items|keys|values)|_rehydrate_skeleton_class|(dynamic_)?subimport)"
)
"""What cloudpickle itself writes around one's own functions and classes: every model of MLflow's ``pyfunc`` has it."""
_ZIP = b"PK\x03\x04"


@dataclass(frozen=True, slots=True)
class Pickled:
    """What was found in one file."""

    dangerous: tuple[str, ...] = ()
    """Functions that it would call, by their full names."""
    is_whole: bool = True
    """False where a part, or all, was not looked at."""
    has_own_code: bool = False
    """True where functions or classes are in it by value: they may do anything, and were not looked at."""


def may_hold_pickle(head: bytes, *, is_whole: bool, is_weights: bool) -> bool:
    """Tell from its first bytes whether a file is a pickle, or a zip or compressed file that may hold one."""
    return is_pickle(head, is_whole=is_whole) or (is_weights and head.startswith(_ZIP))


@functools.cache
def scanner_version() -> str | None:
    """Return the version of picklescan, or ``None`` where it is not installed."""
    if importlib.util.find_spec("picklescan") is None:
        return None
    return importlib.metadata.version("picklescan")


def look_into(file: BinaryIO, size: int) -> Pickled:
    """Return what the pickles of a file would run; it is read in another process, with limits, and never loaded."""
    file.seek(0)
    program = [sys.executable, "-P", str(_CHILD)]  # -P: nothing is imported from the folder that is looked at
    try:
        if _is_real(file):
            done = subprocess.run(program, stdin=file, capture_output=True, timeout=_SECONDS, check=False)
        else:
            data = file.read(size)
            done = subprocess.run(program, input=data, capture_output=True, timeout=_SECONDS, check=False)
        answer = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, OSError, ValueError):
        return Pickled(is_whole=False)
    dangerous = tuple(name for name in answer["dangerous"] if not is_own_code(name))
    return Pickled(dangerous, bool(answer["isWhole"]), bool(answer["hasOwnCode"]))


def is_own_code(name: str) -> bool:
    """Tell whether a full name is what cloudpickle writes by value, or of a script: no foreign call.

    Exactly these: behind a prefix each further dot leads to another object, as ``__main__.os.system``.
    """
    module, _, rest = name.partition(".")
    is_of_script = module == "__main__" and rest.isidentifier() and not rest.startswith("__")
    return is_of_script or _WRITTEN.fullmatch(name) is not None


def _is_real(file: BinaryIO) -> bool:
    try:
        return file.fileno() >= 0
    except (OSError, AttributeError):
        return False
