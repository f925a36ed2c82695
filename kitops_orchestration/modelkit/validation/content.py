"""What layers hold, against the Kitfile's paths and against the attached lists of files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import PurePosixPath

from kitops_orchestration.cancel import check_cancelled
from kitops_orchestration.modelkit import file_list
from kitops_orchestration.modelkit.diff import FileState
from kitops_orchestration.modelkit.inspect import ModelKit, ModelKitLayer
from kitops_orchestration.modelkit.kitfile.rules import clean
from kitops_orchestration.modelkit.layer_content import LayerContent, read_content
from kitops_orchestration.modelkit.unpacking.fetch import budget_for
from kitops_orchestration.modelkit.unpacking.workspace import Budget, refuse_git_program
from kitops_orchestration.modelkit.validation.manifest import Examination
from kitops_orchestration.modelkit.validation.report import BROKEN
from kitops_orchestration.oci.verified import verify_blob
from kitops_orchestration.presentation.value_text import counted
from kitops_orchestration.progress import ProgressEvent, State

_SHOWN_FILES = 20

Contents = Sequence[tuple[ModelKitLayer, LayerContent | None]]
"""Each layer with what it holds; ``None`` where that could not be read."""


def read_contents(case: Examination, kit: ModelKit) -> list[tuple[ModelKitLayer, LayerContent | None]]:
    """Read every layer, several at a time; ``None`` for what could not be read, which is a finding then."""
    budget = budget_for(kit.layers, case.limits)
    with ThreadPoolExecutor(max(1, case.limits.concurrency), thread_name_prefix="kitops-validate") as pool:
        futures = [pool.submit(_content, case, layer, budget) for layer in kit.layers]
        try:
            contents = [future.result() for future in futures]
        except BaseException:  # the network is away, or the caller does not want to know: the others stop too
            case.stop.set()
            for future in futures:
                future.cancel()
            raise
    for what, where in _conflicts(content for content in contents if content is not None):
        case.report.wrong("content", what, where)
    count = sum(len(content.files) for content in contents if content is not None)
    case.report.ok("content", f"{counted(count, 'file')}, each where its entry says")
    return list(zip(kit.layers, contents, strict=True))


def _conflicts(contents: Iterable[LayerContent]) -> Iterator[tuple[str, str]]:
    """Yield what layers disagree about: a file with two contents, or a path that is a file and a folder."""
    files: dict[str, FileState] = {}
    folders: set[str] = set()
    for content in contents:
        for path, state in content.files.items():
            if files.setdefault(path, state) != state:
                yield "two layers hold different content of this file", path
        folders.update(content.directories)
    folders.update(str(parent) for path in [*files, *folders] for parent in PurePosixPath(path).parents)
    for path in sorted(folders & set(files)):
        yield "it is a file in one place and a folder in another", path


def _content(case: Examination, layer: ModelKitLayer, budget: Budget) -> LayerContent | None:
    check_cancelled(case.stop)

    def tell(state: State, done: int) -> None:
        item = f"{layer.kind} {layer.path or '.'}"
        case.progress(ProgressEvent("hash", item, state, done, layer.descriptor.size))

    tell("started", 0)
    try:
        content = read_content(case.repository, layer, spend=budget.spend)
    except BROKEN as error:
        tell("failed", 0)
        _blame(case, layer, error)
        return None
    tell("finished", layer.descriptor.size)
    for what, where in _outside(layer, content):
        case.report.wrong("content", what, where)
    for path, mode in content.modes.items():
        with case.report.looking_at("content", path):
            refuse_git_program(path, mode)
    return content


def _blame(case: Examination, layer: ModelKitLayer, error: Exception) -> None:
    """Say whether the stored bytes are at fault, or what they hold: reading stopped before their digest was known."""
    try:
        verify_blob(case.repository, layer.descriptor)
    except BROKEN as stored:
        case.report.wrong("blobs", str(stored), layer.digest)
    else:
        case.report.wrong("content", str(error), layer.digest)


def _outside(layer: ModelKitLayer, content: LayerContent) -> Iterator[tuple[str, str]]:
    """Yield what a layer holds beside its entry's path, and the path when it holds nothing there."""
    path = clean(layer.path)
    if path == "." or layer.position is None:
        return
    strangers = [name for name in content.files if name != path and not name.startswith(path + "/")]
    for name in strangers[:_SHOWN_FILES]:
        yield f"the layer of {path!r} holds a file that is not there", name
    if len(strangers) > _SHOWN_FILES:
        yield f"the layer of {path!r} holds {len(strangers)} files that are not there", layer.digest
    inside = [*content.files, *content.directories]
    if not any(name == path or name.startswith(path + "/") for name in inside):
        yield f"the layer holds nothing at the Kitfile's path {path!r}", layer.digest


def look_at_file_lists(case: Examination, kit: ModelKit, contents: Contents | None) -> None:
    """Does each attached list of files name this ModelKit's layers, and what they hold?"""
    layers = {str(layer.digest) for layer in kit.layers}
    count = 0
    for descriptor in case.repository.referrers(kit.digest, artifact_type=file_list.ARTIFACT_TYPE):
        count += 1
        with case.report.looking_at("file-list", descriptor.digest):
            listed = file_list.read_list(case.repository, descriptor)
            strangers = sorted({layer for _, layer in listed.values()} - layers)
            if strangers:
                case.report.wrong("file-list", f"it names a layer that is none: {strangers[0]}", descriptor.digest)
            if contents is not None:
                _compare(case, listed, contents, descriptor.digest)
    case.report.ok("file-list", f"{count} attached, and agree" if count else "none is attached")


def _compare(
    case: Examination,
    listed: Mapping[str, tuple[FileState, str]],
    contents: Contents,
    where: str,
) -> None:
    held: dict[str, tuple[FileState, str]] = {}
    for layer, content in contents:
        if content is None:
            return  # what a damaged layer holds nobody knows; that is a finding of its own
        held.update({path: (state, layer.digest) for path, state in content.files.items()})
    wrong: list[str] = []
    wrong += [f"{path} is in no layer" for path in sorted(set(listed) - set(held))]
    wrong += [f"{path} is not in the list" for path in sorted(set(held) - set(listed))]
    wrong += [
        f"{path} is other content than the list says"
        for path in sorted(set(listed) & set(held))
        if listed[path][0] != held[path][0]
    ]
    for what in wrong[:_SHOWN_FILES]:
        case.report.wrong("file-list", what, where)
    if len(wrong) > _SHOWN_FILES:
        case.report.wrong("file-list", f"{len(wrong)} files differ", where)
