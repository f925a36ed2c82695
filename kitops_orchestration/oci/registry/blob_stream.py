"""A blob as a stream that goes on where a lost connection left off."""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Collection, Mapping
from typing import Any

from kitops_orchestration.errors import RegistryUnavailableError, SizeMismatchError
from kitops_orchestration.oci.descriptor import Descriptor
from kitops_orchestration.oci.http.response import Response
from kitops_orchestration.oci.http.retry import RetryBudget
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.registry.session import Call, RegistrySession

_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(?:\d+|\*)")
_SKIP_BYTES = 64 * 1024


class BlobStream(io.RawIOBase):
    """Bytes ``offset`` to ``end`` of a blob, unverified; resumed by Range when the connection is lost.

    The first request is sent on construction, so that a missing blob is an error there.  A registry that sends less
    than was asked for is asked for the rest.  One that does not know ranges sends all: what comes before ``offset``
    is then read and dropped, unless ``skips`` is false; that is for who will look at ``is_ranged`` and not read.
    """

    def __init__(
        self,
        session: RegistrySession,
        repository: Reference,
        url: str,
        descriptor: Descriptor,
        *,
        offset: int = 0,
        end: int | None = None,
        cancel: threading.Event | None = None,
        skips: bool = True,
    ) -> None:
        self._session = session
        self._repository = repository
        self._url = url
        self._descriptor = descriptor
        self._position = self._won = offset
        self._end = descriptor.size if end is None else end
        self._cancel = cancel
        self._skips = skips
        self._budget = RetryBudget(session.limits, cancel)
        self._response: Response | None = None
        self._part_end: int | None = None
        self.is_ranged = True
        """False when the registry answered a part with the whole: it does not know ranges."""
        # A Range that starts at the size is an error by the protocol, and hangs clients of some servers.
        if self._position < self._end or descriptor.size == 0:
            self._response = self._open()
        self._skips = skips or self.is_ranged  # a server may stop serving ranges while somebody reads

    def readable(self) -> bool:
        """Say that the stream can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill ``buffer``; 0 at the end of the range."""
        view = memoryview(buffer).cast("B")
        left = self._end - self._position
        # One byte more than the descriptor says may be asked for: a blob that is too long must show.
        whole = self._end == self._descriptor.size
        view = view[: left + 1] if whole else view[:left]
        if not view:
            return 0
        while True:
            if self._response is None:
                return 0
            try:
                count = self._response.readinto(view)
            except RegistryUnavailableError as failure:
                self._response = None
                self._resume(failure)
                continue
            self._position += count
            if not count and self._goes_on():
                continue
            return count

    def move_into(self, file_descriptor: int, position: int, limit: int) -> int | None:
        """Move up to ``limit`` bytes into a file inside the kernel; 0 at the end, ``None`` where that cannot be.

        What :meth:`readinto` says of errors and of going on after a lost connection holds here too.
        """
        left = self._end - self._position
        limit = min(limit, left + 1 if self._end == self._descriptor.size else left)
        while limit and self._response is not None:
            try:
                count = self._response.move_into(file_descriptor, position, limit)
            except RegistryUnavailableError as failure:
                self._response = None
                self._resume(failure)
                continue
            self._position += count or 0
            if count == 0 and self._goes_on():
                continue
            return count
        return 0

    def close(self) -> None:
        """Close the stream; a body not read to its end costs the connection."""
        if self._response is not None:
            self._response.close()
            self._response = None
        super().close()

    def _resume(self, failure: RegistryUnavailableError) -> None:
        while True:
            if self._position > self._won:
                self._budget.progressed()
                self._won = self._position
            self._budget.pause(failure, retry_after_seconds=failure.retry_after_seconds)
            if self._position >= self._end:
                return
            try:
                self._response = self._open()
                return
            except RegistryUnavailableError as lost:  # while what is here already was passed over once more
                failure = lost

    def _goes_on(self) -> bool:
        """Tell whether the part that came to its end was less than was asked for, and ask for the rest."""
        if self._position != self._part_end or self._position >= self._end:
            return False
        self._response = self._open()
        return True

    def _open(self) -> Response:
        if self._position == 0 and self._end == self._descriptor.size:
            return self._open_whole()
        response = self._send({"Range": f"bytes={self._position}-{self._end - 1}"}, expected=(200, 206, 416))
        self._part_end = self._end_of_part(response)
        if self._part_end is not None:
            return response
        # A server, or a cache before it, that serves other ranges than it is asked for may serve the whole.
        self.is_ranged = False
        if response.status != 200:
            response.close()
            if self._skips:
                response = self._open_whole()
        if self._skips:
            self._skip(response)
        return response

    def _open_whole(self) -> Response:
        self._part_end = None
        return self._send({}, expected=(200,))

    def _send(self, headers: Mapping[str, str], *, expected: Collection[int]) -> Response:
        call = Call("GET", self._url, self._repository, f"fetch blob {self._descriptor.digest} of", headers=headers)
        response = self._session.send(call, budget=self._budget, cancel=self._cancel)
        if response.status not in expected:
            raise self._session.error(call, response)
        return response

    def _end_of_part(self, response: Response) -> int | None:
        """Return where the part that a server sends ends; ``None`` when it is not of what was asked for."""
        match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", "")) if response.status == 206 else None
        if match is None or not int(match[1]) == self._position <= int(match[2]) < self._end:
            return None
        return int(match[2]) + 1

    def _skip(self, response: Response) -> None:
        """Read past what is already here: the server does not know ranges and sent all."""
        buffer = memoryview(bytearray(_SKIP_BYTES))
        left = self._position
        while left:
            count = response.readinto(buffer[: min(left, _SKIP_BYTES)])
            if not count:
                raise SizeMismatchError(f"{self._descriptor.digest} is shorter than {self._position} bytes")
            left -= count
