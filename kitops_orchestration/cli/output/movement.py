"""What push, pull and copy print."""

from __future__ import annotations

from kitops_orchestration.cli.output.answer import human_bytes, print_facts, print_json
from kitops_orchestration.client import Copied


def print_copied(verb: str, result: Copied, *, as_json: bool) -> None:
    """Print where the ModelKit is now and what had to move."""
    copy = result.copy
    if as_json:
        print_json(result.to_json())
        return
    blobs = f"{copy.blobs_copied} moved ({human_bytes(copy.bytes_moved)}), {copy.blobs_mounted} mounted"
    print_facts(
        [
            (verb, result.reference),
            ("blobs", f"{blobs}, {copy.blobs_skipped} already there"),
            ("referrers", copy.referrers_copied or None),
        ]
    )
