"""How the embedded registry differs from the perfect one, for as long as a switch is set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Location = Literal["relative", "absolute", "foreign"]


@dataclass(slots=True)
class Behaviour:
    """Switches; each may be changed while the server runs and holds for the requests that follow."""

    referrers_api: bool = True
    """False answers 404 to ``/referrers/``, and leaves ``OCI-Subject`` out, as docker-registry and GHCR do."""
    knows_unused_names: bool = True
    """False answers 404 (NAME_UNKNOWN) to ``/referrers/`` of a repository in which nothing is."""
    subject_header: bool | None = None
    """Send ``OCI-Subject`` or not, whatever ``referrers_api`` says (ECR sent it without the API)."""
    mounts: bool = True
    deletes: bool = True
    deletes_tags: bool = True
    """False answers 400 to the deletion of a tag, as docker-registry 2.8 does."""
    immutable_tags: bool = False
    """True refuses to write a tag that exists, fallback tags of referrers excepted."""
    page_size: int = 1000
    """Most tags or referrers in one answer; the rest is behind ``Link``."""
    link: Location = "relative"
    """Form of ``Link`` in paged answers."""
    upload_location: Location = "relative"
    """Form of ``Location`` in uploads; ``foreign`` is another host, which has to get no credentials."""
    redirects_blobs: bool = False
    """True answers a blob GET with 307 to another host, as registries in front of object storage do."""
    max_body_bytes: int | None = None
    """Answer 413 to a longer request body without reading it, as proxies do."""
    max_chunk_bytes: int | None = None
    """Answer 416 to a longer PATCH (GHCR: 4 MiB)."""
    min_chunk_bytes: int | None = None
    """Sent as ``OCI-Chunk-Min-Length``; a PATCH after a shorter one gets 400."""
    refuses_chunks: bool = False
    """True answers 405 to every PATCH (Google Artifact Registry)."""
    loses_aborted_uploads: bool = False
    """True forgets an upload whose request broke off (docker-registry 2.8); else its bytes are kept."""
    reports_stuck_range: bool = False
    """True always reports the range of one byte for an upload (ECR)."""
    ranges: bool = True
    """False ignores ``Range`` and sends the whole blob with 200."""
    bytes_per_second: int | None = None
    """Speed of one connection in either direction."""
    anonymous_pull: bool = False
    """True lets anyone read although ``auth`` is on."""
