"""Reference: ``registry/repository:tag@digest`` as a value, and its grammar.

Grammar: distribution-spec v1.1, "Pulling manifests" (``<name>`` and ``<reference>``).  A folder registry is
written ``file:///folder/repository:tag``: the OCI image layout is the directory ``/folder/repository``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self
from urllib.parse import quote, unquote

from kitops_orchestration.errors import InvalidReferenceError
from kitops_orchestration.oci.descriptor import Digest
from kitops_orchestration.oci.port import PORT_ADVICE, port_of

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9-]+)*|\[[0-9A-Fa-f:.]+\])(?::[0-9]+)?")
_FOLDER = "file://"
SCHEMES = ("oci://", "docker://")
"""What helm, skopeo and others write before the reference of a registry; it says nothing that is not known."""
_MAX_NAME = 255
_ADVICE = "write registry/repository:tag, or file:///folder/repository:tag for a folder registry"


@dataclass(frozen=True, slots=True)
class Reference:
    """Where a manifest is: a registry, a repository in it, and a tag, a digest or both.

    ``registry`` is ``host[:port]``, or ``file:///folder`` for a folder registry.  With both tag and digest
    the digest decides and the tag is only shown.
    """

    registry: str
    repository: str
    tag: str | None = None
    digest: Digest | None = None

    def __post_init__(self) -> None:
        _check_registry(self.registry, str(self))
        if len(self.repository) > _MAX_NAME or not _REPOSITORY.fullmatch(self.repository):
            raise InvalidReferenceError(
                f"not a repository name: {self.repository!r} in {str(self)!r}",
                advice="use lower-case letters, digits and . _ - between slashes; " + _ADVICE,
            )
        if self.tag is not None and not _TAG.fullmatch(self.tag):
            raise InvalidReferenceError(
                f"not a tag: {self.tag!r} in {str(self)!r}",
                advice="a tag has at most 128 letters, digits, '_', '.', '-', and does not start with '.' or '-'",
            )

    @classmethod
    def parse(cls, text: str, *, registry: str | None = None) -> Self:
        """Read a reference; ``registry`` completes a text that names none.

        The first part is a registry when it contains ``.`` or ``:`` or is ``localhost``.

        Raises:
            InvalidReferenceError: with the reason, for every text outside the grammar.
        """
        if not isinstance(text, str) or not text or text != text.strip():
            raise InvalidReferenceError(f"not a reference: {_shown(text)}", advice=_ADVICE)
        for scheme in SCHEMES:
            text = text.removeprefix(scheme)
        name, _, digest_text = text.partition("@")
        if "/" in digest_text or "@" in digest_text:
            raise _with_userinfo()
        digest = Digest(digest_text) if "@" in text else None
        if name.startswith(_FOLDER):
            return cls._parse_folder(name, digest)
        if "://" in name:
            raise InvalidReferenceError(
                f"a reference has no scheme other than file://, oci:// and docker://: {_shown(text)}", advice=_ADVICE
            )
        head, slash, rest = name.partition("/")
        if slash and ("." in head or ":" in head or head == "localhost"):
            host, path = head, rest
        elif registry is not None:
            host, path = registry.rstrip("/"), name
        else:
            raise InvalidReferenceError(f"the reference names no registry: {text!r}", advice=_ADVICE)
        path, tag = _split_tag(path)
        if host.startswith(_FOLDER):
            return cls._parse_folder(f"{host}/{path}", digest, tag)
        return cls(host, path, tag, digest)

    @classmethod
    def _parse_folder(cls, name: str, digest: Digest | None, tag: str | None = None) -> Self:
        if tag is None:
            name, tag = _split_tag(name)
        folder, _, repository = name.rpartition("/")
        return cls(folder, repository, tag, digest)

    @property
    def is_folder(self) -> bool:
        """True for a folder registry (``file://``)."""
        return self.registry.startswith(_FOLDER)

    @property
    def layout_dir(self) -> Path:
        """The OCI image layout directory of a folder registry's repository."""
        return Path(unquote(self.registry.removeprefix(_FOLDER))) / self.repository

    @property
    def name(self) -> str:
        """``registry/repository``, without tag and digest."""
        return f"{self.registry}/{self.repository}"

    @property
    def target(self) -> str:
        """What to ask the repository for: the digest where there is one, else the tag.

        Raises:
            InvalidReferenceError: the reference has neither.
        """
        if self.digest is not None:
            return self.digest
        if self.tag is not None:
            return self.tag
        raise InvalidReferenceError(
            f"the reference has neither tag nor digest: {self}", advice=f"add one, for example {self.name}:latest"
        )

    def require_tag(self) -> Self:
        """Return this reference, where a new ModelKit may go: under a digest alone nobody would find it.

        Raises:
            InvalidReferenceError: the reference has no tag.
        """
        if self.tag is None:
            raise InvalidReferenceError(
                f"the reference has no tag, so nobody would find the ModelKit: {self}",
                advice=f"add one, for example {self.name}:latest",
            )
        return self

    def or_latest(self) -> Self:
        """Return this reference, with the tag ``latest`` where it has neither tag nor digest, as the Kit CLI reads it.

        For verbs that read or pack one ModelKit.  What signs, promotes or removes wants to be told what.
        """
        return self if self.tag is not None or self.digest is not None else self.with_tag("latest")

    def with_tag(self, tag: str) -> Self:
        """Return the same repository with another tag and no digest."""
        return replace(self, tag=tag, digest=None)

    def with_digest(self, digest: str) -> Self:
        """Return this reference pinned to ``digest``; the tag stays for display."""
        return replace(self, digest=Digest(digest))

    def without_target(self) -> Self:
        """Return the repository alone."""
        return replace(self, tag=None, digest=None)

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.name}{tag}{digest}"


_PAGES = {
    "ghcr.io": "https://ghcr.io/{repository}",
    "quay.io": "https://quay.io/repository/{repository}",
    "docker.io": "https://hub.docker.com/r/{repository}",
    "public.ecr.aws": "https://gallery.ecr.aws/{repository}",
}
"""Registries that show a repository in a browser, all at one address; the others have one that only they know."""


def page_in_browser(reference: Reference) -> str | None:
    """Return where a browser shows the repository; ``None`` where that is not known."""
    page = _PAGES.get(reference.registry)
    return page.format(repository=reference.repository) if page is not None else None


def is_tag(text: str) -> bool:
    """Tell whether a text may be a tag."""
    return _TAG.fullmatch(text) is not None


def require_repository(text: str) -> str:
    """Return a repository that is named by itself, or behind its registry: what stands in a definition.

    Raises:
        InvalidReferenceError: outside the grammar, or with a tag or digest, which nobody would heed.
    """
    found = Reference.parse(text, registry="registry")
    if found.tag is not None or found.digest is not None:
        raise InvalidReferenceError(
            f"not a repository: {text!r} names a tag or digest",
            advice=f"write {found.repository!r}, and give the tag by itself",
        )
    return text


def require_registry(text: str) -> str:
    """Return a registry that is named by itself: ``host[:port]``, or ``file:///folder``; without a slash at its end.

    Raises:
        InvalidReferenceError: it has a scheme, a user name, a password or a path; a password is not repeated.
    """
    registry = text.rstrip("/")
    is_plain = not registry.startswith(_FOLDER)
    if is_plain and "@" in registry:
        raise _with_userinfo()
    if is_plain and "://" in registry:
        host = registry.partition("://")[2].partition("/")[0]
        raise InvalidReferenceError(
            "a registry is named without a scheme, other than file://",
            advice=f"write {host}; whether it is asked over plain HTTP is an option of its own",
        )
    host, slash, path = registry.partition("/")
    if is_plain and slash:
        raise InvalidReferenceError(
            f"a registry is named without a path: {registry!r}", advice=f"write {host}, and {path!r} as the namespace"
        )
    _check_registry(registry, registry)
    return registry


def folder_registry(path: Path) -> str:
    """Return the registry name of a folder: ``file:///absolute/path``, percent-encoded where it must be."""
    return _FOLDER + quote(str(path.absolute()), safe="/+,=~!$&'()*;")


def _with_userinfo() -> InvalidReferenceError:
    """Return the error about ``user:password@host``, which repeats nothing of it: errors end in logs."""
    return InvalidReferenceError(
        "a registry is named without user name and password, and what was written there has one (not repeated here)",
        advice="name the host alone, give the credentials by themselves, and replace a password that was written down",
    )


def _shown(text: object) -> str:
    """Return a text for a message, without what stands where a user name and a password would."""
    if not isinstance(text, str) or "@" not in text:
        return repr(text)
    return repr("…@" + text.rpartition("@")[2])


def _split_tag(name: str) -> tuple[str, str | None]:
    path, colon, tag = name.rpartition(":")
    return (path, tag) if colon and "/" not in tag else (name, None)


def _is_bracketed_address(registry: str) -> bool:
    """Tell whether what stands in brackets, where there are any, is an IPv6 address."""
    if not registry.startswith("["):
        return True
    import ipaddress  # few registries are named so, and references are read by everybody

    try:
        ipaddress.IPv6Address(registry[1 : registry.index("]")])
    except ValueError:
        return False
    return True


def _check_registry(registry: str, text: str) -> None:
    if registry.startswith(_FOLDER):
        if registry.startswith(_FOLDER + "/") and "/../" not in registry + "/" and "\0" not in unquote(registry):
            return
        raise InvalidReferenceError(f"a folder registry needs an absolute path: {text!r}", advice=_ADVICE)
    if "@" in registry:
        raise _with_userinfo()
    host, _, port = registry.rpartition(":")
    if (not port or port.isdigit()) and host and "]" not in port and _HOST.fullmatch(host):
        try:
            port_of(registry)
        except ValueError as error:
            shown = f"{port[:20]!r}{'…' if len(port) > 20 else ''}"
            raise InvalidReferenceError(f"not a port: {shown} behind {host}", advice=PORT_ADVICE) from error
    if not _HOST.fullmatch(registry) or not _is_bracketed_address(registry):
        raise InvalidReferenceError(f"not a registry host: {registry!r} in {text!r}", advice=_ADVICE)
