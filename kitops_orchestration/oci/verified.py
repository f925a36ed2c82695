"""Verified bytes: the one place where content is compared with the size and digest that name it.

A descriptor promises both.  Size is compared while bytes pass, so that nobody is made to take more than was promised;
the digest can be known only at the end.  Until then what was read is somebody's claim and must not be shown to anybody
under its name: whoever writes a file renames it, and whoever fills a memory returns it, behind the check.
"""

from __future__ import annotations

import hashlib
from typing import BinaryIO, Protocol, Self

from kitops_orchestration.errors import DigestMismatchError, IntegrityError, SizeMismatchError
from kitops_orchestration.oci.descriptor import Descriptor, Digest

_BUFFER_BYTES = 1024 * 1024
_CUT = "the content was cut or replaced on its way or where it is stored: fetch or pack it again"
_CHANGED = "the content was changed where it is stored or on its way; do not use it"


class _BlobReader(Protocol):
    def fetch_blob(self, descriptor: Descriptor) -> BinaryIO: ...


def mismatch(wanted: Descriptor, size: int, hex_digest: str, owner: str = "") -> IntegrityError | None:
    """Return the error for content of ``size`` bytes with this digest, or ``None`` when it is ``wanted``.

    A ``size`` above the wanted one means that there may be more still; ``owner`` is where the content came from.
    """
    if size != wanted.size:
        more = " or more" if size > wanted.size else ""
        return SizeMismatchError(
            f"{wanted.digest} has {wanted.size} bytes, {f'{owner} gave' if owner else 'got'} {size}{more}", advice=_CUT
        )
    if hex_digest != wanted.digest.hex:
        source = f" from {owner}" if owner else ""
        return DigestMismatchError(
            f"content of {wanted.digest}{source} hashes to {wanted.digest.algorithm}:{hex_digest}", advice=_CHANGED
        )
    return None


def verify_content(content: bytes, wanted: Digest, what: str) -> None:
    """Compare bytes in memory whose size nobody promised, such as a manifest; ``what`` names them.

    Raises:
        DigestMismatchError: they are others.
    """
    found = hashlib.new(wanted.algorithm, content).hexdigest()
    if found != wanted.hex:
        raise DigestMismatchError(
            f"{what} {wanted} has content that hashes to {wanted.algorithm}:{found}", advice=_CHANGED
        )


class Check:
    """Size and digest of bytes as they pass, against a descriptor; ``owner`` is where they come from."""

    def __init__(self, wanted: Descriptor, owner: str = "") -> None:
        self._wanted = wanted
        self._owner = owner
        self._hash = hashlib.new(wanted.digest.algorithm)
        self._seen = 0

    def update(self, data: bytes | memoryview) -> None:
        """Take the next bytes; raises :class:`SizeMismatchError` as soon as there are too many."""
        self._seen += len(data)
        if self._seen > self._wanted.size:
            self.finish()
        self._hash.update(data)

    @property
    def is_complete(self) -> bool:
        """True when all bytes have passed."""
        return self._seen == self._wanted.size

    def finish(self) -> None:
        """Compare; raises :class:`SizeMismatchError` or :class:`DigestMismatchError`."""
        failure = mismatch(self._wanted, self._seen, self._hash.hexdigest(), self._owner)
        if failure is not None:
            raise failure


class VerifyingReader:
    """Pass bytes through and check digest and size at their end.

    The check happens inside the read that meets the end of the stream, so whoever reads until ``b""`` has
    verified content; until then what was read is unverified and must not be published.

    Raises (from ``read``/``readinto``):
        SizeMismatchError: the stream is longer or shorter than ``descriptor.size``.
        DigestMismatchError: the bytes are others.
    """

    def __init__(self, stream: BinaryIO, descriptor: Descriptor) -> None:
        self._stream = stream
        self._check = Check(descriptor)

    def read(self, size: int = -1) -> bytes:
        """Read like a binary file does."""
        data = self._stream.read(size)
        self._check.update(data)
        if size < 0 or (size != 0 and not data):
            self._check.finish()
        return data

    def readinto(self, buffer: bytearray | memoryview) -> int:
        """Fill ``buffer`` and return the number of bytes; 0 is the verified end."""
        count = self._stream.readinto(buffer)  # type: ignore[attr-defined]  # files and our streams have it
        self._check.update(memoryview(buffer)[:count])
        if count == 0:
            self._check.finish()
        return int(count)

    def close(self) -> None:
        """Close the stream below."""
        self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def read_verified(repository: _BlobReader, descriptor: Descriptor) -> bytes:
    """Return the whole content of a small blob; the caller has looked at ``descriptor.size``.

    Raises:
        IntegrityError: the repository gave other bytes.
    """
    data = bytearray()
    with VerifyingReader(repository.fetch_blob(descriptor), descriptor) as stream:
        while piece := stream.read(_BUFFER_BYTES):  # piece by piece: a stream that is too long ends here early
            data += piece
    return bytes(data)


def verify_blob(repository: _BlobReader, descriptor: Descriptor) -> None:
    """Read a blob to its verified end and keep nothing of it.

    Raises:
        IntegrityError: the repository gave other bytes.
    """
    with VerifyingReader(repository.fetch_blob(descriptor), descriptor) as stream:
        drain(stream)


def drain(stream: VerifyingReader) -> None:
    """Read on to the end of the stored bytes, where size and digest are checked."""
    while stream.read(_BUFFER_BYTES):
        pass
