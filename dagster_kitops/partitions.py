"""Partition keys as OCI tags, so that no two partitions share a tag."""

from __future__ import annotations

import hashlib
import json
import re

import dagster as dg

_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_ILLEGAL = re.compile(r"[^A-Za-z0-9._-]")
_ENCODED = re.compile(r".*-[0-9a-f]{16}")
_MAX_READABLE = 111  # 128 characters of a tag, minus '-' and sixteen digits

PARTITION_ANNOTATION = "io.kitops.orchestration.dagster.partition"
"""Manifest annotation with the partition key as Dagster has it."""


def partition_tag(key: str) -> str:
    """Return the tag of a partition; different keys get different tags.

    A key that is a legal tag stays as it is, unless it looks like an encoded one.  Everything else keeps its legal
    characters and gets ``-`` and sixteen hexadecimal digits of the key's sha256 (64 bits: eight digits would collide
    for one in a hundred sets of ten thousand keys).  A multi-partition key is read as its dimensions, by name: the
    text that Dagster joins them to is the same for different keys.
    """
    if isinstance(key, dg.MultiPartitionKey):
        parts = sorted(key.keys_by_dimension.items())
        return _encoded(",".join(f"{name}={value}" for name, value in parts), json.dumps(parts))
    if _TAG.fullmatch(key) and not _ENCODED.fullmatch(key):
        return key
    return _encoded(key, key)


def _encoded(text: str, exact: str) -> str:
    readable = _ILLEGAL.sub("_", text)[:_MAX_READABLE]
    if not _TAG.match(readable):
        readable = f"_{readable}"[:_MAX_READABLE]
    return f"{readable}-{hashlib.sha256(exact.encode()).hexdigest()[:16]}"
