"""The pages of a catalog, served from memory: made when somebody looks, and shown for a while.

Only paths that the catalog itself has are answered; none is looked for on a disk.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from fastapi import HTTPException
from fastapi.responses import Response

from kitops_orchestration.catalog import CONTENT_POLICY, site_files
from kitops_orchestration.errors import KitOpsError

if TYPE_CHECKING:
    from kitops_orchestration.catalog import Catalog
    from kitops_orchestration.presentation.page import Link

FAILED_SECONDS = 5
"""How long a failure is told without asking again: readers that waited for it do not each wait for one of their own."""
FRESH_SECONDS = 60
"""How long pages are shown before the registry is asked again: a reader who clicks through asks once."""
_KINDS = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
    "svg": "image/svg+xml",
}
_HEADERS = {
    "Content-Security-Policy": f"{CONTENT_POLICY}; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, no-cache",
}


class LiveSite:
    """The site of one repository; readers that come while it is made wait for it, and ask no second time."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._name = ""
        self._made_at = 0.0
        self._files: Mapping[str, bytes] = {}
        self._failure: tuple[str, float, KitOpsError] | None = None

    def answer(self, name: str, path: str, read: Callable[[], Catalog], *, above: Link) -> Response:
        """Return the file at ``path`` of the site about ``name``; ``read`` is asked where none is fresh.

        ``above`` is the page that the site belongs to, seen from the site's folder.
        """
        with self._lock:
            if name != self._name or self._clock() - self._made_at > FRESH_SECONDS:
                self._files = dict(site_files(self._asked(name, read), above=above))
                self._name, self._made_at = name, self._clock()
            files = self._files
        content, kind = files.get(path or "index.html"), _KINDS.get(path.rpartition(".")[2], "text/html; charset=utf-8")
        if content is None:
            raise HTTPException(404, "the catalog has no such page")
        return Response(content, media_type=kind, headers=_HEADERS)

    def _asked(self, name: str, read: Callable[[], Catalog]) -> Catalog:
        if self._failure is not None:
            failed, at, error = self._failure
            if failed == name and self._clock() - at < FAILED_SECONDS:
                raise error
        try:
            return read()
        except KitOpsError as error:
            self._failure = (name, self._clock(), error)
            raise
