"""What push, pull and copy print."""

from __future__ import annotations

from kitops_orchestration.cli.output import human_bytes, print_facts, print_json
from kitops_orchestration.client import Copied


def print_copied(verb: str, result: Copied, *, as_json: bool) -> None:
    """Print where the ModelKit is now and what had to move."""
    copy = result.copy
    if as_json:
        counts = {
            "copied": copy.blobs_copied,
            "mounted": copy.blobs_mounted,
            "skipped": copy.blobs_skipped,
            "bytes_moved": copy.bytes_moved,
            "referrers": copy.referrers_copied,
        }
        print_json({"reference": str(result.reference), "digest": copy.descriptor.digest, **counts})
        return
    blobs = f"{copy.blobs_copied} moved ({human_bytes(copy.bytes_moved)}), {copy.blobs_mounted} mounted"
    print_facts(
        [
            (verb, result.reference),
            ("blobs", f"{blobs}, {copy.blobs_skipped} already there"),
            ("referrers", copy.referrers_copied or None),
        ]
    )
