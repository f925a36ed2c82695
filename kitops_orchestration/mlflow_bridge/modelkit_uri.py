"""``modelkit://`` URIs: how MLflow names a ModelKit in a version's source, a tag or a ``load_model`` call.

    modelkit://registry/repository:tag[@digest][/path/in/kit]
    modelkit-http://…            a registry without TLS
    modelkit-file:///folder/…    a folder registry

``modelkit+http`` and ``modelkit+file`` are read too, and never written: MLflow's server decodes a version's source
as if it were a form, where ``+`` is a space, and refuses what is left.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from urllib.parse import unquote, urlsplit

from kitops_orchestration.errors import InvalidReferenceError
from kitops_orchestration.oci.http.url import is_loopback
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.repository import Repository

SCHEMES = ("modelkit://", "modelkit-http://", "modelkit-file://", "modelkit+http://", "modelkit+file://")

_SCHEME = re.compile(r"modelkit(?:[+-](http|file))?://")
_CUT = re.compile(r"^(modelkit[+-]file:)/(?!/)")
_TARGET = re.compile(r"[^/]*(?::[A-Za-z0-9_][A-Za-z0-9._-]*)?(?:@sha(?:256|512):[0-9a-f]+)?")
_MOST_DECODINGS = 8
_ADVICE = "write modelkit://registry/repository:tag or modelkit://registry/repository@sha256:…"


@dataclass(frozen=True, slots=True)
class ModelKitUri:
    """A reference with a tag or digest, and perhaps a path inside the ModelKit."""

    reference: Reference
    path: str = ""
    plain_http: bool | None = None
    """True for ``modelkit-http``; ``None`` leaves it to the rule for loopback hosts."""

    @classmethod
    def parse(cls, text: str) -> ModelKitUri:
        """Read a URI.

        Raises:
            InvalidReferenceError: tag and digest are missing, or the path is absolute, has an empty part, ``..`` or a
                NUL, also where these are percent-encoded.

        MLflow takes URIs apart at the last slash and hands the pieces over; joined again they may have a path
        behind the part that holds the tag.  The first part after the host with ``:`` or ``@`` ends the reference.
        """
        # urlunparse, which MLflow uses to cut URIs, drops the two slashes of an empty host.
        match = _SCHEME.match(_CUT.sub(r"\1///", text))
        if match is None:
            raise InvalidReferenceError(f"not a modelkit:// URI: {text!r}", advice=_ADVICE)
        kind = match[1] or ""
        parts = match.string[match.end() :].rstrip("/").split("/")
        end = next((index for index, part in enumerate(parts) if index and (":" in part or "@" in part)), None)
        if end is None or not _TARGET.fullmatch(parts[end]):
            raise InvalidReferenceError(f"the URI has neither tag nor digest: {text!r}", advice=_ADVICE)
        name = "/".join(parts[: end + 1])
        path = "/".join(parts[end + 1 :])
        if _leaves(path):
            raise InvalidReferenceError(f"the URI leaves its ModelKit: {text!r}", advice=_ADVICE)
        if kind == "file":
            reference = Reference.parse(f"file://{name}")
        else:
            # The first part always is the registry here, also one without a dot (modelkit://zot/team/iris:1).
            host, _, rest = name.partition("/")
            reference = replace(Reference.parse(f"localhost/{rest}"), registry=host)
        return cls(reference, path, True if kind == "http" else None)

    def __str__(self) -> str:
        if self.reference.is_folder:
            base = f"modelkit-{self.reference}"
        else:
            base = f"modelkit{'-http' if self.plain_http else ''}://{self.reference}"
        return f"{base}/{self.path}" if self.path else base


def _leaves(path: str) -> bool:
    """Tell whether a path may mean a place outside, read as it stands or by someone who decodes it, also twice."""
    for _ in range(_MOST_DECODINGS if path else 0):
        if "\0" in path or not {"", ".."}.isdisjoint(path.split("/")):
            return True
        decoded = unquote(path)
        if decoded == path:
            return False
        path = decoded
    return bool(path)  # encoded over and over: nobody calls a file so


def is_plain(repository: Repository) -> bool | None:
    """Return True for a registry that is reached without TLS, ``None`` where nothing has to be said.

    On loopback no TLS is the rule that whoever opens the URI follows anyhow.
    """
    host = urlsplit(f"//{repository.reference.registry}").hostname or ""
    return True if getattr(repository, "is_encrypted", None) is False and not is_loopback(host) else None


def pinned_uri(reference: Reference, *, plain_http: bool | None = None) -> str:
    """Return the URI of exactly this ModelKit: by digest, without the tag that may move.

    Raises:
        InvalidReferenceError: the reference has no digest.
    """
    if reference.digest is None:
        raise InvalidReferenceError(f"not pinned by digest: {reference}", advice="resolve the reference first")
    return str(ModelKitUri(Reference(reference.registry, reference.repository, None, reference.digest), "", plain_http))
