"""One promotion at a time into one tag, on one machine.

OCI registries have no compare-and-set for tags.  On one machine a lock file makes "look, record, move" one
step; between machines the tag is looked at again right before and after it moves, and a promotion that finds
another's digest there raises :class:`~kitops_orchestration.errors.TagMovedError`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from kitops_orchestration.disk.lock import machine_lock
from kitops_orchestration.errors import PromotionError
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.settings import cache_dir


@contextmanager
def promotion_lock(destination: Reference, tag: str) -> Iterator[None]:
    """Hold the machine's lock for one tag of one repository; other processes and threads wait."""
    with ExitStack() as stack:
        try:
            stack.enter_context(machine_lock(f"{destination.name}:{tag}"))
        except OSError as error:
            place = error.filename or cache_dir()
            raise PromotionError(
                f"cannot lock the promotion to {destination.name}:{tag}: {error.strerror}",
                advice=f"make {place} writable, or set KITOPS_ORCHESTRATION_CACHE to a folder that is",
            ) from error
        yield
