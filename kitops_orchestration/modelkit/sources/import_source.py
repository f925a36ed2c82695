"""Import: a model from the Hugging Face Hub or a git repository becomes a ModelKit in one call.

What was imported is recorded in the manifest, as ``org.opencontainers.image.source`` and ``.revision``: the
commit, never the branch that led to it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from kitops_orchestration import settings
from kitops_orchestration.errors import ModelKitError
from kitops_orchestration.modelkit.generate.generate import generate
from kitops_orchestration.modelkit.kitfile import KITFILE_NAMES, Kitfile
from kitops_orchestration.modelkit.pack import PackOptions, PackResult, pack
from kitops_orchestration.modelkit.packing.gate import GateRules
from kitops_orchestration.modelkit.packing.manifest_profile import created_from
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.repository import OpenRepository, Repository

SOURCE = "org.opencontainers.image.source"
REVISION = "org.opencontainers.image.revision"
_TOOL_FILES = (".git", ".cache", "**/.gitattributes", "**/.gitignore")
_WEEK_SECONDS = 7 * 86_400
_USER_INFO = re.compile(r"(?<=://)[^/@\s]+@")


@dataclass(frozen=True, slots=True)
class ImportResult:
    """The packed ModelKit and where it came from."""

    pack: PackResult
    source: str
    """URL without credentials."""
    revision: str
    """The commit."""

    @property
    def reference(self) -> Reference:
        """The ModelKit: tag and digest."""
        return self.pack.reference


def pack_import(
    folder: Path,
    repository: Repository,
    *,
    name: str,
    source: str,
    revision: str,
    made_at: float | None,
    tag: str | None,
    open_parent: OpenRepository | None,
    options: PackOptions,
) -> ImportResult:
    """Pack what was fetched: with the Kitfile given, the one that it brings, or one made for it.

    ``made_at`` is the commit's time, in seconds since 1970.
    """
    described = options.get("kitfile")
    if described is None and not any((folder / file).is_file() for file in KITFILE_NAMES):
        described = named(generate(folder, ignore=_TOOL_FILES), folder.name, name)
    shown = without_user(source)
    annotations = {**created_from(made_at), SOURCE: shown, REVISION: revision, **(options.get("annotations") or {})}
    own = options.copy()
    own["kitfile"] = described
    own["exclude"] = (*_TOOL_FILES, *options.get("exclude", ()))
    own["annotations"] = annotations
    # What is imported may bring a list that allows its own secrets; the caller's rules count and that list does not.
    own["gate_rules"] = replace(GateRules.of(options.get("gate_rules") or GateRules()), use_allow_list=False)
    result = pack(folder, repository, tag=tag, open_parent=open_parent, **own)
    return ImportResult(result, shown, revision)


def named(kitfile: Kitfile, placeholder: str, name: str) -> Kitfile:
    """Name package and model after the source where they would carry the working folder's name."""
    package, model = kitfile.package, kitfile.model
    if package.name in ("", placeholder):
        package = replace(package, name=name)
    if model is not None and model.name == placeholder:
        model = replace(model, name=name)
    return replace(kitfile, package=package, model=model)


def without_user(url: str) -> str:
    """Return a URL without the user name and password that it may carry."""
    return _USER_INFO.sub("", url)


@contextlib.contextmanager
def work_folder(key: str) -> Iterator[Path]:
    """Yield a folder for one source; after a failure it stays, so that the next attempt resumes.

    Two processes that import the same source take turns.  What nobody came back for within a week is removed by
    the next import.
    """
    root = settings.cache_dir() / "imports"
    name = hashlib.sha256(key.encode()).hexdigest()[:24]
    folder = root / name
    try:
        root.mkdir(parents=True, exist_ok=True)
        lock = (root / f"{name}.lock").open("ab")
    except OSError as error:
        raise ModelKitError(
            f"cannot write into {root}: {error.strerror}",
            advice="set KITOPS_ORCHESTRATION_CACHE to a writable folder",
        ) from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _remove_forgotten(root)
        folder.mkdir(exist_ok=True)
        os.utime(folder)
        yield folder
        shutil.rmtree(folder, ignore_errors=True)


def _remove_forgotten(root: Path) -> None:
    limit = time.time() - _WEEK_SECONDS
    for folder in root.iterdir():
        if not folder.is_dir() or _changed_at(folder) > limit:
            continue
        with contextlib.suppress(OSError), folder.with_name(f"{folder.name}.lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # another process may be at it
            shutil.rmtree(folder, ignore_errors=True)


def _changed_at(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except OSError:
        return time.time()  # another import has just finished with it


def remove_tree(folder: Path) -> None:
    """Empty a working folder that cannot be resumed."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
