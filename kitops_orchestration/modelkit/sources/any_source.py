"""A model from wherever a text names it: the Hugging Face Hub or a git repository, told apart by the text's form."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Unpack

from kitops_orchestration.errors import ModelKitError
from kitops_orchestration.modelkit.pack import PackOptions
from kitops_orchestration.modelkit.sources.import_source import ImportResult
from kitops_orchestration.oci.repository import OpenRepository, Repository

if TYPE_CHECKING:
    from kitops_orchestration.modelkit.sources.hugging_face import Kind

Tool = Literal["hf", "git", "oci"]
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")


class ImportOptions(PackOptions, total=False):
    """What :func:`import_source` takes by name and a client or an adapter hands through."""

    tool: Tool | None
    revision: str | None
    token: str | None
    timeout_seconds: float | None
    repo_type: Kind | None
    allow_patterns: Sequence[str] | None
    ignore_patterns: Sequence[str] | None
    endpoint: str | None


def import_source(
    source: str,
    repository: Repository,
    *,
    tag: str | None = "latest",
    tool: Tool | None = None,
    revision: str | None = None,
    token: str | None = None,
    timeout_seconds: float | None = None,
    repo_type: Kind | None = None,
    allow_patterns: Sequence[str] | None = None,
    ignore_patterns: Sequence[str] | None = None,
    endpoint: str | None = None,
    open_parent: OpenRepository | None = None,
    **options: Unpack[PackOptions],
) -> ImportResult:
    """Pack a model of the Hub (``organisation/name``), of a registry (``oci://``), or of a git repository (all others).

    The Hub's may be written ``hf://organisation/name``, ``hf.co/organisation/name`` or as its address, with
    ``datasets/`` or ``spaces/`` before the name.

    Args:
        source: name or address.
        repository: where the ModelKit goes.
        tag: tag of the ModelKit.
        tool: ``hf``, ``git`` or ``oci`` where the form of ``source`` does not say it.
        revision: branch, tag or commit; the source's default without one.
        token: for a source that asks for one.
        timeout_seconds: for each git command.
        repo_type: what the repository is on the Hub, where its name does not say it.
        allow_patterns: of the Hub's files take only these.
        ignore_patterns: of the Hub's files leave these out.
        endpoint: the Hub's address.
        open_parent: as for :func:`~kitops_orchestration.modelkit.pack.pack`, whose ``options`` are taken, too.
        options: see there.

    Raises:
        ModelKitError: an option that belongs to the other kind of source.
    """
    from kitops_orchestration.modelkit.sources.git import import_git
    from kitops_orchestration.modelkit.sources.hugging_face import hub_name, import_hugging_face
    from kitops_orchestration.modelkit.sources.registry import PREFIXES, import_artifact

    if tool == "oci" or (tool is None and source.startswith(PREFIXES)):
        of_the_hub = {"allow_patterns": allow_patterns, "ignore_patterns": ignore_patterns, "endpoint": endpoint}
        _refuse(source, "the Hub", **of_the_hub)
        _refuse(source, "a git repository", timeout_seconds=timeout_seconds)
        _refuse(source, "the Hub or a git repository", revision=revision, token=token)
        return import_artifact(source, repository, tag=tag, open_parent=open_parent, **options)
    repo_id, kind = hub_name(source)
    if tool == "hf" or (tool is None and _HUB_NAME.fullmatch(repo_id)):
        _refuse(source, "a git repository", timeout_seconds=timeout_seconds)
        return import_hugging_face(
            repo_id,
            repository,
            revision=revision or "main",
            tag=tag,
            token=token,
            repo_type=repo_type or kind or "model",
            allow_patterns=allow_patterns,
            ignore_patterns=ignore_patterns,
            endpoint=endpoint,
            open_parent=open_parent,
            **options,
        )
    _refuse(source, "the Hub", allow_patterns=allow_patterns, ignore_patterns=ignore_patterns, endpoint=endpoint)
    return import_git(
        source,
        repository,
        revision=revision or "HEAD",
        tag=tag,
        token=token,
        timeout_seconds=timeout_seconds,
        open_parent=open_parent,
        **options,
    )


def _refuse(source: str, other: str, **given: object) -> None:
    names = [name for name, value in given.items() if value is not None]
    if names:
        raise ModelKitError(f"{names[0]} is for {other}, and {source} is not there", advice=f"leave {names[0]} out")
