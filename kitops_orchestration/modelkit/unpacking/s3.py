"""Objects on S3, or on any server that speaks its API (``AWS_ENDPOINT_URL_S3``), read by boto3 with its credentials."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlsplit

from kitops_orchestration.errors import (
    AccessDeniedError,
    AuthenticationError,
    DigestMismatchError,
    KitOpsError,
    MissingExtraError,
    ModelKitError,
    NotFoundError,
    RegistryError,
    RegistryUnavailableError,
    SizeMismatchError,
)
from kitops_orchestration.oci.http.body import ignore_bytes

_MD5_DIGITS = 32
_MISSING = ("NoSuchKey", "NoSuchBucket", "404", "NotFound")
_DENIED = ("AccessDenied", "403", "Forbidden", "AllAccessDisabled")
_WRONG_KEY = ("InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "401")
_CHANGED = ("PreconditionFailed", "412")


def object_name(uri: str) -> str:
    """Return the last part of an object's key; empty for a bucket or a folder."""
    return split_uri(uri)[1].rpartition("/")[2]


def split_uri(uri: str) -> tuple[str, str]:
    """Return bucket and key of ``s3://bucket/key``."""
    parts = urlsplit(uri, allow_fragments=False)
    key = unquote(parts.path.lstrip("/")) + (f"?{parts.query}" if parts.query else "")
    return parts.netloc, key


def open_object(uri: str, etag: str) -> S3Reader:
    """Open the object that had ``etag`` when the ModelKit was made.

    Raises:
        DigestMismatchError: it was replaced since then.
        NotFoundError, AccessDeniedError, AuthenticationError: S3 says no.
        RegistryUnavailableError: S3 does not answer.
        MissingExtraError: boto3 is not installed.
    """
    try:
        import boto3.session
        import botocore.exceptions
    except ImportError as error:
        raise MissingExtraError(f"fetching {uri} needs boto3", extra="s3") from error
    bucket, key = split_uri(uri)
    if not bucket or not key or key.endswith("/"):
        raise ModelKitError(f"not an object on S3: {uri}", advice="a remotePath is s3://bucket/key of one object")
    wanted = etag.strip('"')
    try:
        # A session of its own: the default one keeps the first credentials that it found for ever.
        answer = boto3.session.Session().client("s3").get_object(Bucket=bucket, Key=key, IfMatch=f'"{wanted}"')
    except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError, ValueError) as error:
        raise _translated(error, uri, wanted) from error
    found = str(answer.get("ETag", "")).strip('"')
    if found != wanted:
        answer["Body"].close()
        raise _replaced(uri, wanted, found)
    return S3Reader(uri, wanted, answer)


class S3Reader(io.RawIOBase):
    """The bytes of an object, checked at their end: the length, and the content where the ETag is its MD5."""

    def __init__(self, uri: str, etag: str, answer: Any) -> None:
        super().__init__()
        self._uri = uri
        self._etag = etag
        self._body = answer["Body"]
        self.size = int(answer["ContentLength"])
        # Encrypted with a key of one's own, or uploaded in parts, an object's ETag is another number.
        is_plain = answer.get("ServerSideEncryption") in (None, "AES256") and not answer.get("SSECustomerAlgorithm")
        self._hash = hashlib.md5(usedforsecurity=False) if is_plain and len(etag) == _MD5_DIGITS else None
        self._seen = 0
        self.moved: Callable[[int], None] = ignore_bytes
        """Hears how many bytes came with each read."""

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any, /) -> int:
        """Fill ``buffer``; 0 is the checked end."""
        view = memoryview(buffer).cast("B")
        try:
            data = self._body.read(len(view))
        except Exception as error:  # whatever urllib3 and botocore call a connection that broke
            raise RegistryUnavailableError(
                f"the connection broke while {self._uri} was fetched: {type(error).__name__}",
                operation="fetch dataset",
                reference=self._uri,
                advice="try again",
            ) from error
        view[: len(data)] = data
        self._seen += len(data)
        if self._hash is not None:
            self._hash.update(data)
        self.moved(len(data))
        if not data:
            self._check()
        return len(data)

    def close(self) -> None:
        """Close the connection."""
        self._body.close()
        super().close()

    def _check(self) -> None:
        if self._seen != self.size:
            raise SizeMismatchError(
                f"{self._uri} has {self.size} bytes, got {self._seen}", advice="the transfer was cut: try again"
            )
        if self._hash is not None and self._hash.hexdigest() != self._etag:
            raise _replaced(self._uri, self._etag, self._hash.hexdigest())


def _replaced(uri: str, wanted: str, found: str) -> DigestMismatchError:
    return DigestMismatchError(
        f"{uri} is not what the ModelKit was made with: its ETag is {found or 'another one'}, not {wanted}",
        advice="the object was replaced: bring the old one back, or pack again with the new remoteHash",
    )


def _translated(error: Exception, uri: str, wanted: str) -> KitOpsError:
    where: dict[str, Any] = {"operation": "fetch dataset", "reference": uri}
    response = getattr(error, "response", None) or {}
    code = str(response.get("Error", {}).get("Code", ""))
    if code in _CHANGED:
        return _replaced(uri, wanted, "")
    if code in _MISSING:
        return NotFoundError(f"there is no {uri}", advice="check bucket and key in the Kitfile's remotePath", **where)
    if code in _DENIED:
        return AccessDeniedError(f"S3 does not give out {uri} ({code})", advice="ask for s3:GetObject on it", **where)
    name = type(error).__name__
    if code in _WRONG_KEY or "Credential" in name:
        return AuthenticationError(
            f"S3 does not take the credentials for {uri} ({code or name})",
            advice="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or a role, as for the aws command",
            **where,
        )
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) or 0)
    if not response or status >= 500 or code in ("SlowDown", "RequestTimeout", "Throttling"):
        return RegistryUnavailableError(
            f"cannot fetch {uri}: {code or name}", advice="check network, region and AWS_ENDPOINT_URL_S3", **where
        )
    return RegistryError(f"cannot fetch {uri}: {code or name}", advice="see what S3 says", **where)
