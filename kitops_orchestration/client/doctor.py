"""Doctor: is this machine fit to pack, move and sign, and what to do where it is not."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from kitops_orchestration import settings
from kitops_orchestration.errors import KitOpsError
from kitops_orchestration.oci.resolve import tags_if_there

if TYPE_CHECKING:
    from kitops_orchestration.client.bound import Bound
    from kitops_orchestration.oci.reference import Reference

Verdict = Literal["ok", "note", "wrong"]

_LOW_DISK_BYTES = 2 * 1024**3
_CLOCK_TOLERANCE_SECONDS = 60
_DISTRIBUTION = "kitops-orchestration"
_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)(?:\[[^\]]*\])?[^;]*;.*\bextra\s*==\s*['\"]([\w-]+)['\"]")


@dataclass(frozen=True, slots=True)
class Finding:
    """What one look found; a ``note`` is nothing wrong."""

    name: str
    verdict: Verdict
    found: str
    advice: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return all members."""
        return {"name": self.name, "verdict": self.verdict, "found": self.found, "advice": self.advice}


def examine(client: Bound, registry: Reference | None = None) -> list[Finding]:
    """Look at everything; ``registry`` is any repository of the registry to ask, or ``None`` to ask none.

    Nothing raises: what fails is a finding.
    """
    client = client.with_limits(retries=0)  # a doctor does not wait for things to get better
    looks: list[Callable[[], Finding]] = [_disk, _cache, _credential_files]
    looks += [partial(_extra, name, needed) for name, needed in _extras().items()]
    if registry is not None:
        looks.insert(0, partial(_registry, client, registry))
        if not registry.is_folder:
            looks[1:1] = [partial(_credentials, registry), partial(_clock, client, registry)]
    return [look() for look in looks]


def _registry(client: Bound, where: Reference) -> Finding:
    try:
        if where.is_folder:
            return _folder(where)
        tags_if_there(client.repository(where))
    except KitOpsError as error:
        return Finding("registry", "wrong", str(error), error.advice)
    return Finding("registry", "ok", f"{where.registry} answers")


def _folder(where: Reference) -> Finding:
    place = where.layout_dir
    while not place.exists():
        place = place.parent
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        return Finding("registry", "wrong", f"cannot write in {place}: {error.strerror}", "choose a folder of yours")
    return Finding("registry", "ok", f"{place} is writable")


def _credentials(where: Reference) -> Finding:
    from kitops_orchestration.oci.auth.credentials import DockerConfig

    try:
        found = DockerConfig().lookup(where)
    except KitOpsError as error:
        return Finding("credentials", "wrong", str(error), error.advice)
    if found is None:
        return Finding("credentials", "note", f"none for {where.registry}: anonymous", f"kitctl login {where.registry}")
    return Finding("credentials", "ok", f"for {where.registry}" + (f", as {found.username}" if found.username else ""))


def _clock(client: Bound, where: Reference) -> Finding:
    """Compare with the registry's clock: a wrong one breaks tokens, certificates and signatures' times."""
    from kitops_orchestration.oci.registry.repository import RemoteRepository
    from kitops_orchestration.signing.timestamps import now

    repository = client.repository(where)
    try:
        theirs = repository.server_time() if isinstance(repository, RemoteRepository) else None
    except KitOpsError as error:
        return Finding("clock", "note", f"not compared: {error}")
    if theirs is None:
        return Finding("clock", "note", "the registry does not say what time it has")
    seconds = round((now() - theirs).total_seconds())
    if abs(seconds) > _CLOCK_TOLERANCE_SECONDS:
        ahead = "ahead of" if seconds > 0 else "behind"
        return Finding("clock", "wrong", f"{abs(seconds)} s {ahead} the registry's", "set this machine's clock: NTP")
    return Finding("clock", "ok", f"within {_CLOCK_TOLERANCE_SECONDS} s of the registry's")


def _disk() -> Finding:
    try:
        free = {name: shutil.disk_usage(path).free for name, path in _places().items()}
    except OSError as error:
        return Finding("disk", "wrong", f"cannot look: {error.strerror}")
    name, least = min(free.items(), key=lambda item: item[1])
    text = f"{least / 1024**3:.1f} GiB free in the {name}"
    if least < _LOW_DISK_BYTES:
        return Finding("disk", "wrong", text, "free some: kitctl cache clear, kitctl prune")
    return Finding("disk", "ok", text)


def _places() -> dict[str, Path]:
    cache = settings.cache_dir()
    while not cache.exists():
        cache = cache.parent
    return {"working directory": Path.cwd(), "cache": cache}


def _cache() -> Finding:
    path = settings.cache_dir()
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        return Finding(
            "cache", "wrong", f"cannot write {path}: {error.strerror}", "set KITOPS_ORCHESTRATION_CACHE to a folder"
        )
    return Finding("cache", "ok", str(path))


def _credential_files() -> Finding:
    """Files with secrets in them that others on this machine can read."""
    shown = []
    for path in settings.credential_paths():
        try:
            if path.stat().st_mode & 0o077 and b'"auth"' in path.read_bytes():
                shown.append(str(path))
        except OSError:
            continue
    if shown:
        return Finding("secrets", "note", f"others may read {', '.join(shown)}", f"chmod 600 {' '.join(shown)}")
    return Finding("secrets", "ok", "no file with credentials is readable by others")


def _extras() -> Mapping[str, list[str]]:
    """Return the distributions that each extra of the installed package needs."""
    try:
        requirements = metadata.requires(_DISTRIBUTION) or []
    except metadata.PackageNotFoundError:  # run from a folder of sources
        return {}
    extras: dict[str, list[str]] = {}
    for match in filter(None, map(_REQUIREMENT.match, requirements)):
        if match[2] != "all":  # which only gathers the others
            extras.setdefault(match[2], []).append(match[1])
    return extras


def _extra(name: str, needed: list[str]) -> Finding:
    found, missing = [], []
    for distribution in needed:
        try:
            found.append(f"{distribution} {metadata.version(distribution)}")
        except metadata.PackageNotFoundError:
            missing.append(distribution)
    if not missing:
        return Finding(f"extra {name}", "ok", ", ".join(found))
    what = f"{', '.join(missing)} not installed" if found else "not installed"
    return Finding(f"extra {name}", "note", what, f"pip install '{_DISTRIBUTION}[{name}]'")
