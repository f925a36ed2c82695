"""Partition keys as OCI tags, asset keys as repositories: different keys never share a name.

What a tag of a partition never has is ``--``.  So ``<tag of the stage>--<tag of the partition>`` can be read in one way
only, and is no partition's own tag.
"""

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
_MAX_COMPONENT = 100  # of 255 for the whole name
PLACEHOLDER = "{partition}"
BETWEEN = "--"
"""Between the tag of a stage and that of a partition."""

PARTITION_ANNOTATION = "io.kitops.orchestration.dagster.partition"
"""Manifest annotation with the partition key as Dagster has it."""


def partition_tag(key: str, *, room: int = _MAX_TAG) -> str:
    """Return the tag of a partition; different keys get different tags, and none has ``--``.

    A key that is a legal tag stays as it is, unless it looks like an encoded one.  Everything else keeps its legal
    characters and gets ``-`` and sixteen hexadecimal digits of the key's sha256 (64 bits: eight digits would collide
    for one in a hundred sets of ten thousand keys).  A multi-partition key is read as its dimensions, by name: the
    text that Dagster joins them to is the same for different keys.  ``room`` is the longest tag, in characters.
    """
    is_plain = not isinstance(key, dg.MultiPartitionKey) and _TAG.fullmatch(key) and BETWEEN not in key
    if is_plain and not _ENCODED.fullmatch(key) and len(key) <= room:
        return key
    readable, exact = _texts(key)
    readable = re.sub("-+", "-", _ILLEGAL.sub("_", readable))
    if not _TAG.match(readable):
        readable = f"_{readable}"
    return f"{readable[: room - _DIGITS].rstrip('-')}-{_digits(exact)}"


def staged_tag(stage_tag: str, key: str) -> str:
    """Return the tag that a partition has in a stage: no other partition or stage has it, as none has its parts."""
    return filled_tag(f"{stage_tag}{BETWEEN}{PLACEHOLDER}", key)


def modelkit_versions_partitions_def(repository: str) -> dg.DynamicPartitionsDefinition:
    """Return the versions of a repository as partitions: each tag is one, and is added when it appears.

    The name that Dagster keeps them under is made of the repository, so that every asset of its versions has the same
    ones.  Give it to :func:`build_modelkit_tag_sensor` as ``dynamic_partitions_def``, which fills it, and to what works
    on one version at a time: assets, checks, stages.  "Check all versions again" is a backfill then.
    """
    return dg.DynamicPartitionsDefinition(name=f"modelkit_versions/{repository}")


def filled_tag(template: str, key: str | None) -> str:
    """Return a tag with the partition where the template has ``{partition}``; never longer than a tag may be."""
    if key is None or PLACEHOLDER not in template:
        return template
    room = max(_MAX_TAG - len(template.replace(PLACEHOLDER, "")), _DIGITS + 1)
    return template.replace(PLACEHOLDER, partition_tag(key, room=room))


def filled_repository(template: str, key: str | None) -> str:
    """Return a repository with the partition where the template has ``{partition}``, in the grammar of repositories."""
    return template if key is None else template.replace(PLACEHOLDER, _component(key))


def repository_name(key: dg.AssetKey, *, prefix: str = "") -> str:
    """Return the repository of an asset that names none: its key in lower case, in the grammar of repositories."""
    parts = [*(part for part in prefix.split("/") if part), *(_component(part) for part in key.path)]
    return "/".join(parts)


def _component(part: str) -> str:
    """Return a part of a repository's name; different texts get different ones, by the rules of tags."""
    is_plain = not isinstance(part, dg.MultiPartitionKey) and _REPOSITORY_PART.fullmatch(part)
    if is_plain and not _ENCODED.fullmatch(part) and len(part) <= _MAX_COMPONENT:
        return part
    readable, exact = _texts(part)
    name = re.sub(r"[^a-z0-9]+", "-", readable.lower()).strip("-")[: _MAX_COMPONENT - _DIGITS].rstrip("-")
    return f"{name or 'asset'}-{_digits(exact)}"


def _texts(key: str) -> tuple[str, str]:
    """Return a key as people read it, and as no other key is written."""
    if isinstance(key, dg.MultiPartitionKey):
        parts = sorted(key.keys_by_dimension.items())
        return ",".join(f"{name}={value}" for name, value in parts), json.dumps(parts)
    return key, key


def _digits(exact: str) -> str:
    return hashlib.sha256(exact.encode()).hexdigest()[:16]
