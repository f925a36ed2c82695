"""Upload forms: which registries want blobs in one piece, in chunks, or in small ones.

Sources: GHCR refuses chunks above 4 MiB (oras-project/rust-oci-client#35); Artifact Registry has no chunks
(kitops-ml/kitops#777); ECR reports a range that stands still (aws/containers-roadmap#2831); Quay refuses a
single body above 20 GB (oras-project/oras-py#137).
"""

from __future__ import annotations

from dataclasses import dataclass

GIB = 1024**3


@dataclass(frozen=True, slots=True)
class UploadProfile:
    """What is known beforehand about a registry's uploads."""

    takes_chunks: bool = True
    """PATCH works, and its reported range can be trusted to resume from."""
    single_limit_bytes: int | None = None
    """Above this a blob is sent in chunks."""


_WHOLE = UploadProfile(takes_chunks=False)
_BY_SUFFIX = (
    ("ghcr.io", _WHOLE),
    (".pkg.dev", _WHOLE),
    ("gcr.io", _WHOLE),
    (".amazonaws.com", _WHOLE),
    (".amazonaws.com.cn", _WHOLE),
    ("quay.io", UploadProfile(single_limit_bytes=16 * GIB)),
)


def upload_profile(host: str) -> UploadProfile:
    """Return the profile for the host that an upload's Location leads to."""
    name = host.lower()
    for suffix, profile in _BY_SUFFIX:
        bare = suffix.lstrip(".")
        if name == bare or name.endswith("." + bare):
            return profile
    return UploadProfile()
