"""Partition keys as OCI tags, asset keys as repositories: different keys never share a name."""

from __future__ import annotations

import hashlib
import json
import re

import dagster as dg

_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_REPOSITORY_PART = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*")
_ILLEGAL = re.compile(r"[^A-Za-z0-9._-]")
_ENCODED = re.compile(r".*-[0-9a-f]{16}")
_MAX_TAG = 128
_DIGITS = 17  # '-' and sixteen hexadecimal digits
PLACEHOLDER = "{partition}"

PARTITION_ANNOTATION = "io.kitops.orchestration.dagster.partition"
"""Manifest annotation with the partition key as Dagster has it."""


def partition_tag(key: str, *, room: int = _MAX_TAG) -> str:
    """Return the tag of a partition; different keys get different tags.

    A key that is a legal tag stays as it is, unless it looks like an encoded one.  Everything else keeps its legal
    characters and gets ``-`` and sixteen hexadecimal digits of the key's sha256 (64 bits: eight digits would collide
    for one in a hundred sets of ten thousand keys).  A multi-partition key is read as its dimensions, by name: the
    text that Dagster joins them to is the same for different keys.  ``room`` is the longest tag, in characters.
    """
    if isinstance(key, dg.MultiPartitionKey):
        parts = sorted(key.keys_by_dimension.items())
        return _encoded(",".join(f"{name}={value}" for name, value in parts), json.dumps(parts), room)
    if _TAG.fullmatch(key) and not _ENCODED.fullmatch(key) and len(key) <= room:
        return key
    return _encoded(key, key, room)


def filled_tag(template: str, key: str | None) -> str:
    """Return a tag with the partition where the template has ``{partition}``; never longer than a tag may be."""
    if key is None or PLACEHOLDER not in template:
        return template
    room = max(_MAX_TAG - len(template.replace(PLACEHOLDER, "")), _DIGITS + 1)
    return template.replace(PLACEHOLDER, partition_tag(key, room=room))


def filled_repository(template: str, key: str | None) -> str:
    """Return a repository with the partition where the template has ``{partition}``, in the grammar of repositories."""
    return template if key is None else template.replace(PLACEHOLDER, _component(partition_tag(key)))


def _encoded(text: str, exact: str, room: int) -> str:
    longest = room - _DIGITS
    readable = _ILLEGAL.sub("_", text)[:longest]
    if not _TAG.match(readable):
        readable = f"_{readable}"[:longest]
    return f"{readable}-{hashlib.sha256(exact.encode()).hexdigest()[:16]}"


def repository_name(key: dg.AssetKey, *, prefix: str = "") -> str:
    """Return the repository of an asset that names none: its key in lower case, in the grammar of repositories."""
    parts = [*(part for part in prefix.split("/") if part), *(_component(part) for part in key.path)]
    return "/".join(parts)


def _component(part: str) -> str:
    name = re.sub(r"[^a-z0-9]+", "-", part.lower()).strip("-") if not _REPOSITORY_PART.fullmatch(part) else part
    if name == part:
        return part
    return f"{name or 'asset'}-{hashlib.sha256(part.encode()).hexdigest()[:8]}"
