"""Credentials for registries: explicit ones, and those that Docker, Podman and the Kit CLI keep in files.

One host may have several credentials by path; the longest key that is a prefix of the repository wins.
Sources: Docker ``config.json`` (``auths``, ``credsStore``, ``credHelpers``), the docker-credential-helpers
protocol, containers-auth.json(5).  A credential is never shown: secrets are left out of ``repr``.
"""

from __future__ import annotations

import base64
import json
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from kitops_orchestration import settings
from kitops_orchestration.errors import AuthenticationError
from kitops_orchestration.oci.reference import Reference

DOCKER_HUB = ("docker.io", "index.docker.io", "registry-1.docker.io")
_HELPER_NAME = re.compile(r"[A-Za-z0-9._-]+")
_HELPER_TIMEOUT_SECONDS = 15.0
_NOT_FOUND = "credentials not found"
_TOKEN_USER = "<token>"  # noqa: S105 - the helper protocol's marker for "the secret is an identity token"


@dataclass(frozen=True, slots=True)
class Credential:
    """What proves who we are: a password, an identity (refresh) token, or a ready access token."""

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    access_token: str = field(default="", repr=False)

    @property
    def basic(self) -> str | None:
        """The value of a Basic ``Authorization`` header, or ``None`` without a password."""
        if not self.password:
            return None
        pair = f"{self.username}:{self.password}".encode()
        return "Basic " + base64.b64encode(pair).decode("ascii")


class CredentialSource(Protocol):
    """Knows credentials; asked once per repository and kept until a registry refuses them.

    Credentials go to the registry, and to a token service of its own site.  A source that has ``token_realms`` names
    hosts (``auth.example``, ``auth.example:8443``) of other sites that may see them, too.

    A source that also has ``minted(token: str)`` hears of every token that a registry gives for its credentials.
    """

    def lookup(self, reference: Reference) -> Credential | None:
        """Return the credential for this repository, or ``None`` to go on anonymously."""
        ...


class StaticCredentials:
    """Credentials given by the program: ``{"host" or "host/path": Credential}``."""

    def __init__(self, credentials: Mapping[str, Credential], *, token_realms: Iterable[str] = ()) -> None:
        self.token_realms = tuple(token_realms)
        self._credentials = {normalized_key(key): value for key, value in credentials.items()}

    def lookup(self, reference: Reference) -> Credential | None:
        """Return the credential with the longest matching key."""
        for key in keys(reference):
            if key in self._credentials:
                return self._credentials[key]
        return None

    def __repr__(self) -> str:
        return f"StaticCredentials({sorted(self._credentials)})"


class DockerConfig:
    """Credentials from files in Docker's format.

    ``paths`` are tried in order; by default Docker's ``config.json``, then the Kit CLI's
    ``credentials.json``, then the ``auth.json`` of Podman and skopeo.  Within a file a helper for the host
    comes before stored entries, as Docker does it.  A file that does not exist is passed over.

    Raises (from ``lookup``):
        AuthenticationError: no credential was found, and a file is not readable as such a configuration or a helper
            fails.  Who asks goes on without one, until the registry wants one.
    """

    def __init__(self, paths: Sequence[Path] | None = None, *, token_realms: Iterable[str] = ()) -> None:
        self.token_realms = tuple(token_realms)
        self._paths = tuple(paths) if paths is not None else None

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files that are asked, in order."""
        return self._paths if self._paths is not None else settings.credential_paths()

    def lookup(self, reference: Reference) -> Credential | None:
        """Return the first credential found for the repository; a file or helper that fails is no reason to stop."""
        failure: AuthenticationError | None = None
        for path in self.paths:
            try:
                config = _load(path)
                found = _from_config(config, reference, path) if config else None
            except AuthenticationError as error:
                failure = failure or error
                continue
            if found is not None:
                return found
        if failure is not None:
            raise failure
        return None

    def __repr__(self) -> str:
        return f"DockerConfig({[str(path) for path in self.paths]})"


def normalized_key(key: str) -> str:
    """Return ``host`` or ``host/path`` of a key that may be an URL, as in ``https://index.docker.io/v1/``."""
    bare = key.split("://", 1)[-1].rstrip("/")
    head, _, tail = bare.rpartition("/")
    if head and tail in ("v1", "v2"):
        bare = head
    host, slash, path = bare.partition("/")
    return ("docker.io" if host in DOCKER_HUB else host.lower()) + slash + path


def keys(reference: Reference) -> Iterator[str]:
    """Yield the keys under which a repository's credential may stand, longest first."""
    name = normalized_key(reference.registry) + "/" + reference.repository
    while name:
        yield name
        name = name.rpartition("/")[0]


def _load(path: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not JSON"
        raise AuthenticationError(
            f"cannot read credentials from {path}: {reason}", advice="repair or remove the file, or log in again"
        ) from error
    return value if isinstance(value, dict) else None


def _from_config(config: dict[str, Any], reference: Reference, path: Path) -> Credential | None:
    names = {
        normalized_key(key): (key, value)
        for key, value in _mapping(config, "auths").items()
        if isinstance(value, Mapping)
    }
    helpers = {normalized_key(key): value for key, value in _mapping(config, "credHelpers").items()}
    for key in keys(reference):
        if key in helpers:
            return _ask_helper(str(helpers[key]), key)
        if key in names:
            credential = _from_entry(names[key][1], path, names[key][0])
            if credential is not None:
                return credential
    store = config.get("credsStore")
    if not store:
        return None
    host = normalized_key(reference.registry)
    server = names[host][0] if host in names else ("https://index.docker.io/v1/" if host == "docker.io" else host)
    return _ask_helper(str(store), server)


def _mapping(config: Mapping[str, Any], member: str) -> Mapping[str, Any]:
    value = config.get(member)
    return value if isinstance(value, Mapping) else {}


def _from_entry(entry: Mapping[str, Any], path: Path, key: str) -> Credential | None:
    username, password = str(entry.get("username") or ""), str(entry.get("password") or "")
    if entry.get("auth"):
        try:
            decoded = base64.b64decode(str(entry["auth"]), validate=True).decode("utf-8")
        except ValueError as error:
            raise AuthenticationError(
                f"the 'auth' entry of {key} in {path} is not base64 of user:password", advice="log in again"
            ) from error
        username, _, password = decoded.partition(":")
        password = password.rstrip("\0")
    if username == _TOKEN_USER:
        return Credential(identity_token=password)
    found = Credential(username, password, str(entry.get("identitytoken") or ""), str(entry.get("registrytoken") or ""))
    return found if found.password or found.identity_token or found.access_token else None


def _ask_helper(suffix: str, server: str) -> Credential | None:
    if not _HELPER_NAME.fullmatch(suffix):
        raise AuthenticationError(f"not a credential helper's name: {suffix!r}")
    program = f"docker-credential-{suffix}"
    answer = _run_helper(program, server)
    if answer is None:
        return None
    try:
        value = json.loads(answer)
        username, secret = str(value.get("Username") or ""), str(value.get("Secret") or "")
    except (ValueError, AttributeError, RecursionError) as error:
        raise AuthenticationError(f"{program} answered something that is not a credential for {server}") from error
    if not secret:
        return None
    if username in ("", _TOKEN_USER):
        return Credential(identity_token=secret)
    return Credential(username, secret)


def _run_helper(program: str, server: str) -> bytes | None:
    try:
        done = subprocess.run(
            [program, "get"], input=server.encode(), capture_output=True, timeout=_HELPER_TIMEOUT_SECONDS, check=False
        )
    except FileNotFoundError as error:
        raise AuthenticationError(
            f"credential helper {program} for {server} is not installed",
            advice=f"put {program} on PATH, or give the credential explicitly",
        ) from error
    except subprocess.TimeoutExpired as error:
        raise AuthenticationError(
            f"credential helper {program} did not answer for {server} within {_HELPER_TIMEOUT_SECONDS:g} s"
        ) from error
    except OSError as error:
        raise AuthenticationError(f"credential helper {program} does not start: {error.strerror}") from error
    if done.returncode == 0:
        return done.stdout
    said = (done.stdout + b" " + done.stderr).decode("utf-8", "replace").strip()
    if _NOT_FOUND in said.lower():
        return None
    # What a failing helper prints may hold secrets: only its exit status is repeated.
    raise AuthenticationError(
        f"credential helper {program} failed for {server} with exit status {done.returncode}",
        advice=f"run `echo {server} | {program} get` to see why",
    )
