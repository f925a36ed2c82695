"""Import from the Hugging Face Hub, or from any server that speaks its API (``HF_ENDPOINT``)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Unpack

from kitops_orchestration import settings
from kitops_orchestration.errors import (
    AuthenticationError,
    DigestMismatchError,
    MissingExtraError,
    ModelKitError,
    NotFoundError,
    RegistryUnavailableError,
    SizeMismatchError,
)
from kitops_orchestration.modelkit.layers.tar_reader import safe_path
from kitops_orchestration.modelkit.pack import PackOptions
from kitops_orchestration.modelkit.sources.import_source import ImportResult, pack_import, work_folder
from kitops_orchestration.oci.repository import OpenRepository, Repository

Kind = Literal["model", "dataset", "space"]
"""What a repository is on the Hub."""

_DEFAULT_ENDPOINT = "https://huggingface.co"
_PREFIXES = {"model": "", "dataset": "datasets/", "space": "spaces/"}
_BUFFER_BYTES = 1024 * 1024
_HUB = re.compile(r"(?:hf://|(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)/)")
_HUB_KINDS: Mapping[str, Kind] = {"models": "model", "datasets": "dataset", "spaces": "space"}


def import_hugging_face(
    repo_id: str,
    repository: Repository,
    *,
    revision: str = "main",
    tag: str | None = "latest",
    repo_type: Kind = "model",
    allow_patterns: Sequence[str] | None = None,
    ignore_patterns: Sequence[str] | None = None,
    token: str | None = None,
    endpoint: str | None = None,
    open_parent: OpenRepository | None = None,
    **options: Unpack[PackOptions],
) -> ImportResult:
    """Download one commit of a Hub repository and pack it.

    Args:
        repo_id: ``organisation/name``.
        repository: where the ModelKit goes.
        revision: branch, tag or commit; it is resolved to a commit once, before anything is fetched.
        tag: tag of the ModelKit.
        repo_type: what the repository is on the Hub.
        allow_patterns: take only files that match one of these globs.
        ignore_patterns: leave out files that match.
        token: access token; else the one that ``hf auth login`` stored.
        endpoint: the Hub's address; else ``HF_ENDPOINT``.
        open_parent: as for :func:`~kitops_orchestration.modelkit.pack.pack`, whose ``options`` are taken, too.
        options: see there; without a ``kitfile`` the source's own is taken, else one made from its files.

    Raises:
        MissingExtraError: ``huggingface_hub`` is not installed.
        NotFoundError: no such repository or revision, or it is private and the token does not open it.
        RegistryUnavailableError: the Hub does not answer; what was fetched is kept for the next attempt.
        IntegrityError: a file is not what the Hub says it is.
    """
    hub = _Hub(endpoint or settings.env("HF_ENDPOINT") or _DEFAULT_ENDPOINT, token, repo_type)
    info = hub.info(repo_id, revision)
    commit = str(info.sha)
    source = f"{hub.endpoint}/{_PREFIXES[repo_type]}{repo_id}"
    patterns = f"{allow_patterns}|{ignore_patterns}"
    with work_folder(f"{source}@{commit}|{patterns}") as folder:
        hub.download(repo_id, commit, folder, allow_patterns, ignore_patterns)
        _check_files(folder, info, allow_patterns, ignore_patterns)
        return pack_import(
            folder,
            repository,
            name=repo_id.rpartition("/")[2],
            source=source,
            revision=commit,
            made_at=info.last_modified.timestamp() if info.last_modified else None,
            tag=tag,
            open_parent=open_parent,
            options=options,
        )


def hub_name(source: str) -> tuple[str, Kind | None]:
    """Return ``organisation/name`` of what may be written with the Hub's address, and the kind if that says one."""
    match = _HUB.match(source)
    if match is None:
        return source, None
    name = source[match.end() :].rstrip("/")
    head, _, rest = name.partition("/")
    return (rest, _HUB_KINDS[head]) if head in _HUB_KINDS else (name, None)


class _Hub:
    """``huggingface_hub`` with our errors."""

    def __init__(self, endpoint: str, token: str | None, repo_type: str) -> None:
        try:
            import huggingface_hub
        except ImportError as error:
            raise MissingExtraError(
                "importing from the Hugging Face Hub needs huggingface_hub", extra="huggingface"
            ) from error
        self._library = huggingface_hub
        self._token = token
        self._repo_type = repo_type
        self.endpoint = endpoint.rstrip("/")
        self._api = huggingface_hub.HfApi(endpoint=self.endpoint, token=token)

    def info(self, repo_id: str, revision: str) -> Any:
        """Return the repository at a revision: its commit and files."""
        where = f"{repo_id}@{revision}"
        try:
            return self._api.repo_info(repo_id, revision=revision, repo_type=self._repo_type, files_metadata=True)
        except Exception as error:  # of the library, or of whatever HTTP client it has
            raise self._translated(error, where) from error

    def download(
        self,
        repo_id: str,
        commit: str,
        folder: Path,
        allow_patterns: Sequence[str] | None,
        ignore_patterns: Sequence[str] | None,
    ) -> None:
        """Fetch the files of a commit into ``folder``; files that are there already are not fetched again."""
        try:
            self._library.snapshot_download(
                repo_id,
                repo_type=self._repo_type,
                revision=commit,
                local_dir=folder,
                token=self._token,
                endpoint=self.endpoint,
                allow_patterns=list(allow_patterns) if allow_patterns else None,
                ignore_patterns=list(ignore_patterns) if ignore_patterns else None,
            )
        except Exception as error:  # of the library, or of whatever HTTP client it has
            raise self._translated(error, f"{repo_id}@{commit}") from error

    def _translated(self, error: Exception, where: str) -> Exception:
        errors = self._library.errors
        place: dict[str, Any] = {"operation": "import", "reference": f"{self.endpoint}/{where}"}
        if isinstance(error, errors.GatedRepoError):
            advice = "accept the model's conditions on its page, and give a token"
            return AuthenticationError(f"{where} is gated on {self.endpoint}", advice=advice, **place)
        if isinstance(error, (errors.RepositoryNotFoundError, errors.RevisionNotFoundError)):
            advice = "check name and revision; a private repository needs a token"
            return NotFoundError(f"{where} is not on {self.endpoint}", advice=advice, **place)
        if isinstance(error, (errors.HFValidationError, ValueError)) and not isinstance(error, OSError):
            return ModelKitError(f"not a Hub repository: {where}", advice="write organisation/name")
        status = getattr(getattr(error, "response", None), "status_code", None)
        if status in (401, 403):
            return AuthenticationError(f"{self.endpoint} refused {where}", advice="check the token", **place)
        return RegistryUnavailableError(
            f"{self.endpoint} could not give {where}: {type(error).__name__}",
            advice="try again: what was fetched is kept",
            **place,
        )


def _check_files(
    folder: Path, info: Any, allow_patterns: Sequence[str] | None, ignore_patterns: Sequence[str] | None
) -> None:
    """Compare every file with size and sha256 as the Hub lists them."""
    from huggingface_hub.utils import filter_repo_objects

    files = {str(file.rfilename): file for file in info.siblings or ()}
    wanted = filter_repo_objects(
        files,
        allow_patterns=allow_patterns,
        ignore_patterns=ignore_patterns,
    )
    for name in wanted:
        path = folder / safe_path(name)
        size = path.stat().st_size if path.is_file() else -1
        if files[name].size not in (None, size):
            raise SizeMismatchError(
                f"{name} has {max(size, 0)} bytes, the Hub says {files[name].size}", advice="import it again"
            )
        lfs = files[name].lfs
        expected = (lfs.get("sha256") if isinstance(lfs, dict) else getattr(lfs, "sha256", None)) if lfs else None
        if expected and _sha256(path) != expected:
            path.unlink()
            raise DigestMismatchError(f"{name} is not what the Hub lists", advice="import it again")


def _sha256(path: Path) -> str:
    with path.open("rb", buffering=0) as file:
        hasher = hashlib.sha256()
        buffer = memoryview(bytearray(_BUFFER_BYTES))
        while count := file.readinto(buffer):
            hasher.update(buffer[:count])
    return hasher.hexdigest()
