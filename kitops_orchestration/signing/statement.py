"""The in-toto Statement: the one shape of everything that is signed or attached.

Source: in-toto attestation framework v1 (``Statement``, ``ResourceDescriptor``, ``DigestSet``).  Reading is
strict about names that are not in the specification, because verifiers written in Go (protojson) refuse them;
inside ``predicate`` anything is allowed.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from kitops_orchestration.errors import InvalidReferenceError, SignatureError
from kitops_orchestration.oci.descriptor import EMPTY, Digest

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
_READ_TYPES = (STATEMENT_TYPE, "https://in-toto.io/Statement/v0.1")  # the older one is what `cosign attest` writes
PAYLOAD_TYPE = "application/vnd.in-toto+json"
MAX_SUBJECTS = 1024

_MEMBERS = {"name", "uri", "digest", "content", "downloadLocation", "mediaType", "annotations"}


def encode_json(value: Any, *, sort_keys: bool = False) -> bytes:
    """Return compact UTF-8 JSON; the same value always gives the same bytes.

    Raises:
        SignatureError: NaN, infinity, or a value that JSON has no form for.
    """
    try:
        text = json.dumps(value, sort_keys=sort_keys, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        return text.encode("utf-8")
    except (TypeError, ValueError, RecursionError) as error:
        raise SignatureError(
            f"a statement cannot hold this value: {error}",
            advice="write times as RFC 3339 text, and NaN and infinite numbers as strings",
        ) from error


def decode_json(data: bytes, what: str) -> dict[str, Any]:
    """Read a JSON object, or raise :class:`SignatureError` naming ``what``; a repeated member is an error."""
    try:
        value = json.loads(data, object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError) as error:
        raise SignatureError(f"{what} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise SignatureError(f"{what} is not a JSON object")
    return value


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        # Two readers that keep different ones would see two documents behind one signature.
        raise ValueError("a member is written twice")
    return value


def refuse_unknown(value: Mapping[str, Any], known: set[str], what: str) -> None:
    """Raise :class:`SignatureError` when ``value`` has members outside ``known``."""
    unknown = sorted(set(value) - known)
    if unknown:
        raise SignatureError(f"{what} has unknown members: {', '.join(map(repr, unknown))}")


@dataclass(frozen=True, slots=True)
class ResourceDescriptor:
    """Something a statement points at; at least one of ``uri``, ``digest`` and ``content`` is there."""

    name: str | None = None
    uri: str | None = None
    digest: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Algorithm to value: ``sha256``, ``gitCommit``, … without the ``sha256:`` prefix."""
    content: bytes | None = field(default=None, repr=False)
    """At most about a kilobyte, by the specification's advice."""
    media_type: str | None = None
    annotations: Mapping[str, Any] = field(default_factory=dict, hash=False)
    download_location: str | None = None

    def __post_init__(self) -> None:
        if not (self.uri or self.digest or self.content is not None):
            raise SignatureError(
                f"resource {self.name or '(no name)'} has neither uri nor digest nor content",
                advice="leave out what is not known, or name where it is",
            )

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Read one; raises :class:`SignatureError` for unknown members and wrong types."""
        if not isinstance(value, Mapping):
            raise SignatureError(f"a resource of a statement is not an object: {str(value)[:80]!r}")
        refuse_unknown(value, _MEMBERS, "a resource of a statement")
        digest, annotations = value.get("digest") or {}, value.get("annotations") or {}
        texts = [value.get(key) for key in ("name", "uri", "mediaType", "downloadLocation")]
        if not isinstance(digest, Mapping) or not isinstance(annotations, Mapping):
            raise SignatureError("digest and annotations of a resource are objects")
        if not all(isinstance(item, str) for item in [*digest.values(), *(text for text in texts if text is not None)]):
            raise SignatureError("names, addresses and digests of a resource are text")
        name, uri, media_type, download_location = texts
        return cls(name, uri, dict(digest), _decode_content(value), media_type, dict(annotations), download_location)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object, empty members left out."""
        value: dict[str, Any] = {
            "name": self.name,
            "uri": self.uri,
            "digest": dict(sorted(self.digest.items())),
            "content": None if self.content is None else base64.b64encode(self.content).decode(),
            "downloadLocation": self.download_location,
            "mediaType": self.media_type,
            "annotations": dict(sorted(self.annotations.items())),
        }
        return {key: item for key, item in value.items() if item not in (None, {})}

    @property
    def sha256(self) -> Digest | None:
        """The sha256 member as a digest; ``None`` where it is missing or is none."""
        try:
            return Digest(f"sha256:{self.digest['sha256']}")
        except (KeyError, InvalidReferenceError):
            return None


def _decode_content(value: Mapping[str, Any]) -> bytes | None:
    content = value.get("content")
    if content is None:
        return None
    try:
        return base64.b64decode(content, validate=True)
    except (TypeError, binascii.Error) as error:
        raise SignatureError("content of a resource is not base64") from error


@dataclass(frozen=True, slots=True)
class Statement:
    """A typed predicate about subjects; ``content`` is the exact payload that signatures are made over."""

    subject: tuple[ResourceDescriptor, ...]
    predicate_type: str
    predicate: Mapping[str, Any] = field(hash=False)
    content: bytes = field(repr=False)

    @classmethod
    def build(
        cls,
        digest: str,
        predicate_type: str,
        predicate: Mapping[str, Any],
        *,
        name: str | None = None,
        annotations: Mapping[str, str] = EMPTY,
        more_subjects: Sequence[ResourceDescriptor] = (),
    ) -> Self:
        """Make a statement about the manifest ``digest``; member order is the caller's."""
        wanted = Digest(digest)
        main = ResourceDescriptor(name=name, digest={wanted.algorithm: wanted.hex}, annotations=annotations)
        return cls.of((main, *more_subjects), predicate_type, predicate)

    @classmethod
    def of(cls, subject: tuple[ResourceDescriptor, ...], predicate_type: str, predicate: Mapping[str, Any]) -> Self:
        """Make a statement about any subjects."""
        if ":" not in predicate_type:
            raise SignatureError(f"a predicate type is a URI, not {predicate_type!r}")
        value = {
            "_type": STATEMENT_TYPE,
            "subject": [item.to_json() for item in subject],
            "predicateType": predicate_type,
            "predicate": predicate,
        }
        return cls(subject, predicate_type, predicate, encode_json(value))

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Read the payload of an envelope.

        Raises:
            SignatureError: not a Statement (v1, or v0.1), or members the specification does not know.
        """
        value = decode_json(content, "the statement")
        refuse_unknown(value, {"_type", "subject", "predicateType", "predicate"}, "the statement")
        if value.get("_type") not in _READ_TYPES:
            raise SignatureError(f"not an in-toto Statement: _type is {str(value.get('_type'))[:80]!r}")
        subjects, predicate_type = value.get("subject"), value.get("predicateType")
        predicate = value.get("predicate") if value.get("predicate") is not None else {}
        if not isinstance(subjects, list) or not 0 < len(subjects) <= MAX_SUBJECTS:
            raise SignatureError(f"a statement has 1 to {MAX_SUBJECTS} subjects")
        if not isinstance(predicate_type, str) or not predicate_type or not isinstance(predicate, dict):
            raise SignatureError("the statement has no predicate type, or its predicate is not an object")
        return cls(tuple(map(ResourceDescriptor.from_json, subjects)), predicate_type, predicate, content)

    def is_about(self, digest: str) -> bool:
        """Tell whether ``digest`` is one of the subjects."""
        wanted = Digest(digest)
        return any(subject.digest.get(wanted.algorithm) == wanted.hex for subject in self.subject)
