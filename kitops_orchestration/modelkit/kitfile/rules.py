"""The rules that a Kitfile has to keep beyond its grammar. All that are broken are reported together."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from kitops_orchestration.errors import InvalidReferenceError, KitfileError
from kitops_orchestration.oci.reference import SCHEMES, Reference

if TYPE_CHECKING:
    from kitops_orchestration.modelkit.kitfile import Kitfile

_PART_TYPE = re.compile(r"[\w][\w.-]*", re.ASCII)
_PART_TYPE_MAX = 64
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_LOCAL = "localhost"


def clean(path: str) -> str:
    """Return a Kitfile path in its short slash form: ``./model/`` is ``model``, nothing is ``.``."""
    return posixpath.normpath(path).replace("//", "/") if path else "."


def parent_reference(path: str) -> Reference | None:
    """Return the ModelKit reference that a path is, or ``None`` for a path on disk.

    A reference contains ``:`` or ``@`` and parses; one without a registry belongs to ``localhost``, which
    stands for the registry of the ModelKit that names it.
    """
    if (":" not in path and "@" not in path) or path.startswith(SCHEMES):
        return None
    try:
        return Reference.parse(path, registry=_LOCAL)
    except InvalidReferenceError:
        return None


def check(kitfile: Kitfile, *, path: str | None = None) -> None:
    """Raise one :class:`KitfileError` with every broken rule; return for a good Kitfile."""
    problems = sorted(set(_problems(kitfile)))
    if problems:
        text = "".join(f"\n  * {problem}" for _, problem in problems)
        raise KitfileError(
            f"{path or 'Kitfile'} is not valid:{text}",
            path=path,
            field=problems[0][0],
            advice="correct these lines; paths start from the packed directory and stay inside of it",
        )


def _problems(kitfile: Kitfile) -> Iterator[tuple[str, str]]:
    seen: dict[str, str] = {}
    for field, path, is_model in _paths(kitfile):
        if is_model and parent_reference(path) is not None:
            continue
        yield from _path_problems(field, path, is_model=is_model)
        first = seen.setdefault(clean(path), field)
        if first != field:
            yield field, f"{field} and {first} have the same path: {path or '.'}"
    yield from _part_problems(kitfile)
    yield from _remote_problems(kitfile)
    yield from _server_problems(kitfile)


def _paths(kitfile: Kitfile) -> Iterator[tuple[str, str, bool]]:
    if kitfile.model is not None:
        yield "model.path", kitfile.model.path, True
        for index, part in enumerate(kitfile.model.parts):
            yield f"model.parts[{index}].path", part.path, False
    for index, code in enumerate(kitfile.code):
        yield f"code[{index}].path", code.path, False
    for index, dataset in enumerate(kitfile.datasets):
        yield f"datasets[{index}].path", dataset.path, False
    for index, doc in enumerate(kitfile.docs):
        yield f"docs[{index}].path", doc.path, False


def _path_problems(field: str, path: str, *, is_model: bool) -> Iterator[tuple[str, str]]:
    if _URL.match(path):
        yield field, f"{field} is a URL, paths are relative to the context: {path}"
    elif path.startswith("/"):
        yield field, f"{field} is absolute, paths are relative to the context: {path}"
    elif "\0" in path:
        yield field, f"{field} contains a NUL character"
    elif clean(path) == ".." or clean(path).startswith("../"):
        yield field, f"{field} leaves the context: {path}"
    elif not is_model and "@sha256:" in path and parent_reference(path) is not None:
        yield field, f"{field} is a ModelKit reference, only model.path can be one: {path}"


def _part_problems(kitfile: Kitfile) -> Iterator[tuple[str, str]]:
    for index, part in enumerate(kitfile.model.parts if kitfile.model else ()):
        field = f"model.parts[{index}].type"
        if part.type and (len(part.type) > _PART_TYPE_MAX or not _PART_TYPE.fullmatch(part.type)):
            yield field, f"{field} has to be 1 to 64 letters, digits, '_', '.' or '-': {part.type!r}"


def _remote_problems(kitfile: Kitfile) -> Iterator[tuple[str, str]]:
    for index, dataset in enumerate(kitfile.datasets):
        field = f"datasets[{index}].remotePath"
        remote = dataset.remote_path
        if dataset.remote_hash and not remote:
            yield f"datasets[{index}].remoteHash", f"datasets[{index}].remoteHash needs a remotePath"
        if not remote:
            continue
        if remote.startswith("s3://"):
            if not dataset.remote_hash:
                yield field, f"{field} on S3 needs a remoteHash (the object's ETag)"
        elif _URL.match(remote):
            yield field, f"{field} has to be s3:// or a ModelKit reference: {remote}"
        elif parent_reference(remote) is None:
            yield field, f"{field} is neither s3:// nor a ModelKit reference: {remote}"
        else:
            yield from _inside_problems(kitfile, f"datasets[{index}].path", clean(dataset.path))


def _inside_problems(kitfile: Kitfile, owner: str, folder: str) -> Iterator[tuple[str, str]]:
    for field, path, _ in _paths(kitfile):
        if field != owner and clean(path).startswith(folder + "/"):
            yield field, f"{field} lies inside the remote dataset of {owner}: {path}"


def _server_problems(kitfile: Kitfile) -> Iterator[tuple[str, str]]:
    names: set[str] = set()
    for index, server in enumerate(kitfile.mcp_servers):
        field = f"mcpServers[{index}]"
        if not server.name or not server.path:
            yield field, f"{field} needs a name and a path"
        if server.name in names:
            yield f"{field}.name", f"{field}.name is there twice: {server.name}"
        names.add(server.name)
        if server.path and not server.path.endswith(".mcpb"):
            yield f"{field}.path", f"{field}.path has to end with .mcpb: {server.path}"
        if server.path:
            yield from _path_problems(f"{field}.path", server.path, is_model=False)
