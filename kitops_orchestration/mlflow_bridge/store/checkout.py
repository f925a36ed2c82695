"""Unpacked ModelKits on this machine: a read-only cache by digest, and private views of it that may be written to.

MLflow writes into directories that it loads models from; a cache that many processes share must not see that.
"""

# What has to stay true: what is in the cache is shared by processes that do not know each other, and MLflow writes
# into what it loads.  So the cache is read-only, nobody gets it but as a view of his own, and what changed all the
# same is thrown away.  Large files of a view are second names of the cached ones: they must never be written into.

from __future__ import annotations

import atexit
import contextlib
import functools
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from kitops_orchestration import settings
from kitops_orchestration.disk.hidden_folder import HiddenFolder, throw_away
from kitops_orchestration.disk.inside import inside
from kitops_orchestration.errors import ModelKitError
from kitops_orchestration.mlflow_bridge.store.registry_policy import allowed_opener
from kitops_orchestration.modelkit.unpack import unpack
from kitops_orchestration.oci.descriptor import Digest
from kitops_orchestration.oci.repository import OpenRepository, Repository
from kitops_orchestration.progress import ProgressCallback, ignore_progress
from kitops_orchestration.settings import Limits

MODEL_FILTERS: tuple[str, ...] = ("model", "code")
_LISTING = "files.json"
_CONTENT = "content"
_COPY_BELOW_BYTES = 1024 * 1024


def unpacked(
    repository: Repository,
    digest: Digest,
    *,
    filters: Sequence[str] = MODEL_FILTERS,
    open_parent: OpenRepository | None = None,
    limits: Limits = Limits(),
    progress: ProgressCallback = ignore_progress,
) -> Path:
    """Return a directory with the layers that ``filters`` choose, from the cache or freshly unpacked and verified.

    The directory is shared and read-only: use :func:`private_view` to hand it to somebody else.  An entry whose
    files changed in size or time since it was unpacked is thrown away and made again.
    """
    root = settings.cache_dir() / "unpacked"
    entry = root / f"{digest.hex}-{_short_name(filters)}"
    if _is_intact(entry):
        with contextlib.suppress(OSError):
            os.utime(entry)  # what is used stays when the cache is pruned
        return entry / _CONTENT
    root.mkdir(parents=True, exist_ok=True)
    _discard(entry)
    with HiddenFolder(root, entry.name) as scratch:
        (scratch.path / _CONTENT).mkdir()
        unpack(
            repository,
            digest,
            scratch.path / _CONTENT,
            filters=filters,
            open_parent=allowed_opener(repository, open_parent),
            limits=limits,
            progress=progress,
        )
        _seal(scratch.path)
        try:
            scratch.commit(entry)
        except OSError:
            # Another process was faster; what it made has the same digest.
            if not _is_intact(entry):
                raise
    return entry / _CONTENT


def model_root(content_dir: Path, path: str = "") -> Path:
    """Return the directory that ``path`` means inside an unpacked ModelKit, the model's own when it is empty.

    The model's directory is the one that holds ``MLmodel``: the root, else the only one below it.

    Raises:
        ModelKitError: there is none or there are several (named).
    """
    names = [file.relative_to(content_dir).as_posix() for file in content_dir.rglob("MLmodel")]
    roots = outermost_models(names)
    if path:
        for base in (*roots, ""):
            place = inside(content_dir / base, path)
            if place is not None and place.exists():
                return place
        raise ModelKitError(f"the ModelKit has no {path!r}", advice="list it with kitctl inspect")
    if len(roots) == 1:
        return content_dir / roots[0]
    if not roots:
        raise ModelKitError(
            "the ModelKit holds no MLflow model (no MLmodel file)",
            advice="kitctl unpack it, and load it without MLflow",
        )
    raise ModelKitError(
        f"the ModelKit holds several MLflow models: {', '.join(roots)}",
        advice="add the folder to the URI: …:tag/<folder>",
    )


def outermost_models(names: Iterable[str]) -> list[str]:
    """Return the folders that hold an ``MLmodel``, sorted, without those that lie inside another such folder."""
    holders = {PurePosixPath(name).parent for name in names if PurePosixPath(name).name == "MLmodel"}
    roots = [folder for folder in holders if not any(other in folder.parents for other in holders)]
    return sorted("" if str(folder) == "." else str(folder) for folder in roots)


def private_view(source: Path, target: Path | None = None) -> Path:
    """Return a writable directory (or file) with the content of ``source``; removed at exit when it is ours.

    Small files are copied, large ones hard-linked where the file system allows: a view costs no space, and
    writing a new file into it leaves the cache as it was.
    """
    if target is None:
        target = Path(tempfile.mkdtemp(dir=_views_of_this_process()))
    if source.is_file():
        place = target / source.name
        _take(source, place)
        return place
    for folder, names, files in os.walk(source):
        here = target / Path(folder).relative_to(source)
        for name in names:
            (here / name).mkdir(exist_ok=True)
        for name in files:
            _take(Path(folder) / name, here / name)
    return target


def _short_name(filters: Sequence[str]) -> str:
    if not filters:
        return "all"
    text = ",".join(sorted(filters))
    return text.replace(",", "-") if text.replace(",", "").isalpha() else hashlib.sha256(text.encode()).hexdigest()[:16]


def _take(source: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    if source.stat().st_size >= _COPY_BELOW_BYTES:
        try:
            target.hardlink_to(source)
        except OSError:
            pass  # another file system, or one without hard links
        else:
            return
    shutil.copyfile(source, target)


def discard_view(view: Path) -> None:
    """Remove a private view before this process ends: a long-living one may make many."""
    shutil.rmtree(view, ignore_errors=True)


@functools.cache
def _views_of(owner: int, cache_dir: Path) -> Path:
    views = cache_dir / "views"
    views.mkdir(parents=True, exist_ok=True)
    own = HiddenFolder(views, str(owner))

    def remove() -> None:
        if os.getpid() == owner:  # a forked worker must not take its parent's files away
            own.discard()

    atexit.register(remove)
    return own.path


def _views_of_this_process() -> Path:
    own = _views_of(os.getpid(), settings.cache_dir())
    own.mkdir(exist_ok=True)  # somebody may have cleaned up
    return own


def _seal(entry: Path) -> None:
    """Make files read-only and write down what they are."""
    listing = {}
    for file in _files(entry / _CONTENT):
        file.chmod(0o444)
        status = file.stat()
        listing[file.relative_to(entry / _CONTENT).as_posix()] = [status.st_size, status.st_mtime_ns]
    (entry / _LISTING).write_text(json.dumps(listing), encoding="utf-8")


def _is_intact(entry: Path) -> bool:
    try:
        listing = json.loads((entry / _LISTING).read_text(encoding="utf-8"))
        found = {
            file.relative_to(entry / _CONTENT).as_posix(): [file.stat().st_size, file.stat().st_mtime_ns]
            for file in _files(entry / _CONTENT)
        }
    except (OSError, ValueError):
        return False
    return bool(found == listing)


def _files(root: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(root):
        yield from (Path(folder) / name for name in names)


def _discard(entry: Path) -> None:
    """Take a damaged entry out of the way in one step; one that another process just made stays."""
    if entry.exists() and not _is_intact(entry):
        throw_away(entry)
