"""Import from a git repository, with the files that git-lfs keeps elsewhere."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Unpack

from kitops_orchestration import settings
from kitops_orchestration.errors import (
    AuthenticationError,
    ModelKitError,
    NotFoundError,
    RegistryError,
    RegistryUnavailableError,
)
from kitops_orchestration.modelkit.pack import PackOptions
from kitops_orchestration.modelkit.sources.import_source import (
    ImportResult,
    pack_import,
    remove_tree,
    without_user,
    work_folder,
)
from kitops_orchestration.oci.repository import OpenRepository, Repository

_POINTER = b"version https://git-lfs.github.com/spec/v1"
_MAX_POINTER_BYTES = 1024
_DENIED = ("authentication failed", "could not read username", "permission denied", "access denied", "403", "401")
_MISSING = (
    "not found",
    "does not exist",
    "couldn't find remote ref",
    "not appear to be a git repository",
    "unadvertised object",
    "not our ref",
)
_SHOWN_CHARS = 300


def import_git(
    url: str,
    repository: Repository,
    *,
    revision: str = "HEAD",
    tag: str | None = "latest",
    token: str | None = None,
    timeout_seconds: float | None = None,
    open_parent: OpenRepository | None = None,
    **options: Unpack[PackOptions],
) -> ImportResult:
    """Fetch one commit of a git repository, without its history, and pack it.

    Args:
        url: anything that ``git fetch`` takes over https, http, ssh, git or file.
        repository: where the ModelKit goes.
        revision: branch, tag or commit.
        tag: tag of the ModelKit.
        token: for https; handed to git by environment, never on a command line.
        timeout_seconds: for each git command; ``None`` waits as long as it takes.
        open_parent: as for :func:`~kitops_orchestration.modelkit.pack.pack`, whose ``options`` are taken, too.
        options: see there; without a ``kitfile`` the source's own is taken, else one made from its files.

    Raises:
        ModelKitError: git is missing, or git-lfs is and there are files that it keeps.
        NotFoundError: no such repository or revision.
        AuthenticationError: the repository wants other credentials.
        RegistryUnavailableError: the server does not answer.
    """
    if revision.startswith("-") or url.startswith("-") or "\n" in url + revision:
        raise ModelKitError(f"not a git address or revision: {without_user(url)} {revision}")
    with work_folder(f"git:{url}@{revision}") as folder:
        remove_tree(folder)
        git = _Git(folder, without_user(url), token, timeout_seconds)
        git.run("init", "--quiet")
        git.run("remote", "add", "origin", "--", url)
        git.run("fetch", "--quiet", "--depth=1", "--no-tags", "origin", revision)
        git.run("checkout", "--quiet", "--detach", "FETCH_HEAD")
        commit = git.run("rev-parse", "HEAD").strip()
        _resolve_pointers(git, folder)
        name = without_user(url).rstrip("/").rpartition("/")[2].removesuffix(".git")
        return pack_import(
            folder,
            repository,
            name=name,
            source=url,
            revision=commit,
            made_at=float(git.run("show", "--no-patch", "--format=%ct", "HEAD")),
            tag=tag,
            open_parent=open_parent,
            options=options,
        )


class _Git:
    """git in one folder, without prompts, hooks of the user's templates, or secrets on its command line."""

    def __init__(self, folder: Path, shown_url: str, token: str | None, timeout_seconds: float | None) -> None:
        program = shutil.which("git")
        if program is None:
            raise ModelKitError("git is not installed", advice="install git, or import from the Hub")
        self._program = program
        self._folder = folder
        self._shown_url = shown_url
        self._timeout_seconds = timeout_seconds
        self._environment = settings.environment_of_interpreter() | {
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_LFS_SKIP_SMUDGE": "1",  # pointers are resolved in one go, with an error where that is impossible
            "GIT_ALLOW_PROTOCOL": "https:http:ssh:git:file",
            "GIT_TEMPLATE_DIR": "",
            "LC_ALL": "C",
        }
        if token is not None:
            basic = base64.b64encode(f"oauth2:{token}".encode()).decode()
            self._environment |= {
                "GIT_CONFIG_COUNT": "1",
                "GIT_CONFIG_KEY_0": f"http.{_origin(shown_url)}.extraHeader",  # for no other host
                "GIT_CONFIG_VALUE_0": f"Authorization: Basic {basic}",
            }

    def run(self, *arguments: str) -> str:
        """Run one git command and return what it prints; raises the error tree's reason."""
        try:
            done = subprocess.run(
                [self._program, *arguments],
                cwd=self._folder,
                env=self._environment,
                capture_output=True,
                text=True,
                errors="replace",
                stdin=subprocess.DEVNULL,
                timeout=self._timeout_seconds,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise RegistryUnavailableError(
                f"git {arguments[0]} of {self._shown_url} took longer than {self._timeout_seconds} seconds",
                operation="import",
                reference=self._shown_url,
            ) from error
        if done.returncode:
            raise self._error(arguments[0], done.stderr)
        return done.stdout

    def _error(self, command: str, text: str) -> Exception:
        said = without_user(" ".join(text.split()))[-_SHOWN_CHARS:]
        message = f"git {command} of {self._shown_url} failed: {said}"
        where: dict[str, Any] = {"operation": "import", "reference": self._shown_url}
        lower = text.lower()
        if any(sign in lower for sign in _DENIED):
            return AuthenticationError(message, advice="give a token, or set up git's credentials", **where)
        if any(sign in lower for sign in _MISSING):
            return NotFoundError(message, advice="check address and revision", **where)
        if command in ("fetch", "lfs"):
            return RegistryUnavailableError(message, advice="check the network and try again", **where)
        return RegistryError(message, **where)


def _origin(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}/"


def _resolve_pointers(git: _Git, folder: Path) -> None:
    pointers = list(_pointers(folder))
    if not pointers:
        return
    if shutil.which("git-lfs") is None:
        raise ModelKitError(
            f"{len(pointers)} files, {pointers[0]} among them, are kept by git-lfs, which is not installed",
            advice="install git-lfs, or leave these files out of the repository",
        )
    git.run("lfs", "pull")
    left = next(_pointers(folder), None)
    if left is not None:
        raise ModelKitError(f"git-lfs did not fetch {left}", advice="check that the LFS server has it")


def _pointers(folder: Path) -> Iterator[str]:
    for directory, folders, names in os.walk(folder):
        if ".git" in folders:
            folders.remove(".git")
        for name in names:
            path = Path(directory, name)
            if path.is_symlink() or path.stat().st_size > _MAX_POINTER_BYTES:
                continue
            with path.open("rb") as file:
                if file.read(len(_POINTER)) == _POINTER:
                    yield str(path.relative_to(folder))
