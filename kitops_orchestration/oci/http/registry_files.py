"""What Docker and Podman have in files about a registry: authorities, client certificates, mirrors, insecure, blocked.

Sources: Docker's "Verify repository client with certificates"; containers-certs.d(5); containers-registries.conf(5).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kitops_orchestration import settings
from kitops_orchestration.errors import KitOpsError
from kitops_orchestration.oci.http.tls import TlsOptions
from kitops_orchestration.oci.port import PORT_ADVICE, port_of

_MOST_BYTES = 1024 * 1024
_DOCKER_HUB = ("index.docker.io", "registry-1.docker.io")
_PULLS = {"": (True, True), "all": (True, True), "digest-only": (False, True), "tag-only": (True, False)}
"""What ``pull-from-mirror`` may say: whether a mirror is asked for tags, and for digests."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where names with an entry's prefix really are."""

    location: str | None
    """``host[:port][/path]`` in the prefix's stead; ``None``: where they say themselves."""
    insecure: bool = False
    """No check of the certificate, and no encryption where the server has none."""
    has_tags: bool = True
    has_digests: bool = True


@dataclass(frozen=True, slots=True)
class RegistryEntry:
    """One ``[[registry]]`` of a ``registries.conf``."""

    path: Path
    prefix: str
    own: Place
    mirrors: tuple[Place, ...] = ()
    is_blocked: bool = False

    def renamed(self, name: str, place: Place) -> str:
        """Return what ``registry/repository`` is called at a place of this entry."""
        if place.location is None:
            return name
        whole, prefix = _normal_name(name), _normal(self.prefix)
        length = len(whole.partition("/")[0].partition(":")[0]) if prefix.startswith("*.") else len(prefix)
        return place.location + whole[length:]


def tls_of(registry: str, tls: TlsOptions | None, *, insecure: bool | None = None) -> TlsOptions:
    """Return ``tls`` with what the machine's files say about a registry; what ``tls`` says itself comes first.

    ``registry`` is ``host`` or ``host:port``, as the folder below ``certs.d`` is called.  ``insecure`` is what an entry
    says of a part of it; ``None`` asks for the whole.

    Raises:
        KitOpsError: a file is not what it should be, or ``registries.conf`` blocks the registry.
    """
    found = tls or TlsOptions()
    is_insecure = is_insecure_at(registry) if insecure is None else insecure
    if is_insecure and tls is None:
        found = replace(found, verify=False)
    folder = next((place / registry for place in settings.certificate_folders() if (place / registry).is_dir()), None)
    return found if folder is None else _with_certificates(found, folder)


def is_insecure_at(name: str) -> bool:
    """Tell whether ``registries.conf`` lets us reach a registry, or ``registry/repository``, without a check.

    Raises:
        KitOpsError: it is blocked, or a file is not what it should be.
    """
    entry = entry_of(name)
    if entry is None:
        return False
    if entry.is_blocked:
        raise KitOpsError(
            f"{name} is blocked by registries.conf", advice="ask who keeps this machine, or use another registry"
        )
    return entry.own.insecure


def entry_of(name: str) -> RegistryEntry | None:
    """Return the entry with the longest prefix that fits a registry, or ``registry/repository``.

    Of two with the same prefix the later counts, in the order of :func:`settings.registries_files`.

    Raises:
        KitOpsError: a file, or an entry that fits, is not what it should be.
    """
    best: tuple[Path, Mapping[str, Any], str] | None = None
    for path in settings.registries_files():
        for item in _entries(path):
            prefix = item.get("prefix") or item.get("location")
            if isinstance(prefix, str) and _fits(prefix, name) and (best is None or len(prefix) >= len(best[2])):
                best = path, item, prefix
    return None if best is None else _entry(best[0], best[1], best[2].rstrip("/"))


def _entry(path: Path, item: Mapping[str, Any], prefix: str) -> RegistryEntry:
    digests_only = item.get("mirror-by-digest-only") is True
    mirrors = item.get("mirror", [])
    if not isinstance(mirrors, list) or not all(isinstance(mirror, Mapping) for mirror in mirrors):
        raise _unusable(path, prefix, "its mirror is no table", "write [[registry.mirror]] below [[registry]]")
    own = Place(_location(path, prefix, item), item.get("insecure") is True)
    found = tuple(_mirror(path, prefix, mirror, digests_only) for mirror in mirrors)
    return RegistryEntry(path, prefix, own, found, item.get("blocked") is True)


def _mirror(path: Path, prefix: str, item: Mapping[str, Any], digests_only: bool) -> Place:
    location, wanted = _location(path, prefix, item), item.get("pull-from-mirror", "")
    if location is None:
        raise _unusable(path, prefix, "a mirror has no location", "name one: host[:port][/path]")
    if not isinstance(wanted, str) or wanted not in _PULLS:
        raise _unusable(
            path, prefix, f"pull-from-mirror is {wanted!r}", 'write "all", "digest-only" or "tag-only", or leave it out'
        )
    if wanted and digests_only:
        raise _unusable(
            path, prefix, "it has mirror-by-digest-only and a mirror with pull-from-mirror", "keep one of the two"
        )
    tags, digests = (False, True) if digests_only else _PULLS[wanted]
    return Place(location, item.get("insecure") is True, tags, digests)


def _location(path: Path, prefix: str, item: Mapping[str, Any]) -> str | None:
    location = item.get("location")
    if location is None or location == "":
        return None
    if not isinstance(location, str) or "://" in location or not location.strip("/"):
        raise _unusable(path, prefix, f"the location {location!r} is no registry", "write host[:port][/path]")
    try:
        port_of(location.partition("/")[0])
    except ValueError as error:
        raise _unusable(path, prefix, f"the port of the location {location!r} is none", PORT_ADVICE) from error
    return location.rstrip("/")


def _unusable(path: Path, prefix: str, why: str, advice: str) -> KitOpsError:
    return KitOpsError(f"{path}, the entry of {prefix}: {why}", advice=advice)


def _normal(name: str) -> str:
    """Return a name or prefix in the one form that all that mean the same registry have."""
    host, slash, path = name.partition("/")
    host = host.lower()
    for port in (":443", ":80"):
        host = host.removesuffix(port)
    host = host.rstrip(".")
    if host in _DOCKER_HUB:
        host = "docker.io"
    return host + slash + path


def _normal_name(name: str) -> str:
    """Return a name in its one form; Docker Hub's images without a namespace are those of ``library``."""
    host, slash, path = _normal(name).partition("/")
    return f"{host}/library/{path}" if host == "docker.io" and path and "/" not in path else host + slash + path


def _with_certificates(tls: TlsOptions, folder: Path) -> TlsOptions:
    try:
        names = sorted(path.name for path in folder.iterdir())
    except OSError as error:
        raise KitOpsError(f"cannot read {folder}: {error.strerror}") from error
    if tls.ca_bundle is None:
        more = tuple(folder / name for name in names if name.endswith(".crt"))
        tls = replace(tls, more_authorities=(*tls.more_authorities, *more))
    if tls.client_certificate is None:
        for certificate in (name for name in names if name.endswith(".cert")):
            key = certificate.removesuffix(".cert") + ".key"
            if key not in names:
                raise KitOpsError(
                    f"{folder / certificate} has no key beside it",
                    advice=f"put {key} there; an authority's certificate is called .crt",
                )
            return replace(tls, client_certificate=folder / certificate, client_key=folder / key)
    return tls


def _entries(path: Path) -> Iterator[Mapping[str, Any]]:
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_BYTES)
    except OSError:
        return
    import tomllib  # most machines have no such file

    try:
        found = tomllib.loads(text.decode()).get("registry", [])
    except ValueError as error:
        raise KitOpsError(f"{path} is not TOML: {error}", advice="repair it, or take it away") from error
    if isinstance(found, list):
        yield from (item for item in found if isinstance(item, Mapping))


def _fits(prefix: str, name: str) -> bool:
    prefix, name = _normal(prefix.rstrip("/")), _normal_name(name)
    if prefix.startswith("*."):
        host = name.partition("/")[0].partition(":")[0]
        return host.endswith(prefix[1:])
    return name == prefix or name.startswith(f"{prefix}/")
