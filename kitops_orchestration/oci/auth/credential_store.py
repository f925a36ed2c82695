"""Keeping credentials: what ``login`` writes for :mod:`kitops_orchestration.oci.auth.credentials` to find.

Docker's ``config.json`` is changed as Docker changes it: a credential helper configured for the host, or for all
hosts, gets the secret; without one it stands in the file, which is then readable by its owner alone.
Source: the docker-credential-helpers protocol (``store``, ``erase``).
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kitops_orchestration import settings
from kitops_orchestration.disk.write import write_whole
from kitops_orchestration.errors import AuthenticationError
from kitops_orchestration.oci.auth.credentials import Credential, normalized_key

_DOCKER_HUB_KEY = "https://index.docker.io/v1/"
_HELPER_TIMEOUT_SECONDS = 30.0


def store(registry: str, credential: Credential, *, path: Path | None = None) -> str:
    """Keep ``credential`` for a registry and return where: the file, or the helper's program.

    The file is replaced in one step, with mode 0600; other entries stay as they are.

    Raises:
        AuthenticationError: the file cannot be read or written, or the helper refuses.
    """
    with _changing(path) as (config_path, config):
        helper = _helper(config, registry)
        if helper is not None:
            secret = {"ServerURL": _key(registry), "Username": credential.username, "Secret": credential.password}
            _run(helper, "store", json.dumps(secret))
            _members(config, "auths")[_key(registry)] = {}  # as Docker marks that a helper has it
            return helper
        pair = f"{credential.username}:{credential.password}".encode()
        _members(config, "auths")[_key(registry)] = {"auth": base64.b64encode(pair).decode("ascii")}
        return str(config_path)


def erase(registry: str, *, path: Path | None = None) -> bool:
    """Forget the credential for a registry; return False when there was none.

    Raises:
        AuthenticationError: the file cannot be read or written, or the helper refuses.
    """
    with _changing(path) as (_, config):
        auths = _members(config, "auths")
        wanted = normalized_key(registry)
        known = [key for key in auths if normalized_key(key) == wanted]
        for key in known:
            del auths[key]
        helper = _helper(config, registry)
        if helper is not None and known:
            _run(helper, "erase", _key(registry))
        return bool(known)


def _key(registry: str) -> str:
    return _DOCKER_HUB_KEY if normalized_key(registry) == "docker.io" else registry


def _helper(config: dict[str, Any], registry: str) -> str | None:
    wanted = normalized_key(registry)
    helpers = config.get("credHelpers")
    for key, name in helpers.items() if isinstance(helpers, dict) else ():
        if normalized_key(key) == wanted:
            return f"docker-credential-{name}"
    name = config.get("credsStore")
    return f"docker-credential-{name}" if name else None


def _members(config: dict[str, Any], name: str) -> dict[str, Any]:
    found = config.get(name)
    if not isinstance(found, dict):
        found = config[name] = {}
    return found


@contextmanager
def _changing(path: Path | None) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Read the file, let the block change it, and put it back whole; logins at the same time take turns."""
    place = path or settings.docker_config_dir() / "config.json"
    try:
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _turn(place.parent):
            config = _read(place)
            before = json.dumps(config)
            yield place, config
            if json.dumps(config) != before:
                text = json.dumps(config, indent="\t") + "\n"
                write_whole(place, text, mode=0o600, error=AuthenticationError)
    except OSError as error:
        raise AuthenticationError(
            f"cannot change {place}: {error.strerror}", advice="check that the folder is yours and has room"
        ) from error


@contextmanager
def _turn(folder: Path) -> Iterator[None]:
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)  # the folder itself: no lock file is left behind
        yield
    finally:
        os.close(handle)


def _read(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes() or b"{}")
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError) as error:
        raise AuthenticationError(f"{path} is not JSON", advice="repair or remove the file") from error
    if not isinstance(value, dict):
        raise AuthenticationError(f"{path} is not a JSON object", advice="repair or remove the file")
    return value


def _run(program: str, verb: str, text: str) -> None:
    try:
        done = subprocess.run(
            [program, verb], input=text.encode(), capture_output=True, timeout=_HELPER_TIMEOUT_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise AuthenticationError(
            f"the credential helper {program} does not run: {type(error).__name__}",
            advice="put it on PATH, or take it out of Docker's config.json",
        ) from error
    if done.returncode != 0:
        # What a failing helper prints may hold the secret: only its exit status is repeated.
        raise AuthenticationError(
            f"the credential helper {program} did not {verb} the credential (exit status {done.returncode})",
            advice=f"run {program} by hand to see why",
        )
