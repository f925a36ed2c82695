"""Validate: does everything hold that a ModelKit in a repository promises?

A ModelKit is a chain of promises: the tag names a manifest by digest, the manifest its config and layers by digest and
size, the config holds a Kitfile, the Kitfile has an entry for each layer, and each layer holds what its entry says.
Each link is looked at by itself, and what is broken does not hide what else is::

    found = validate(repository, "v1")
    for finding in found.wrong:
        print(finding.what, finding.where)

What is wrong is a finding.  An error is raised only when the question cannot be asked: no such tag, no network, no
permission.
"""

from __future__ import annotations

import threading
from typing import TypedDict

from kitops_orchestration.cancel import LinkedEvent, stopped_by
from kitops_orchestration.modelkit.inspect import ModelKit, inspect
from kitops_orchestration.modelkit.kitfile import rules as kitfile_rules
from kitops_orchestration.modelkit.validation.content import look_at_file_lists, read_contents
from kitops_orchestration.modelkit.validation.manifest import (
    Examination,
    look_at_blobs,
    look_at_layers,
    look_at_manifest,
    look_at_parents,
    look_at_types,
)
from kitops_orchestration.modelkit.validation.report import Report, Validation
from kitops_orchestration.oci.repository import OpenRepository, Repository
from kitops_orchestration.presentation.value_text import counted
from kitops_orchestration.progress import ProgressCallback, ignore_progress
from kitops_orchestration.settings import Limits


class ValidateOptions(TypedDict, total=False):
    """What :func:`validate` takes by name and a client or an adapter hands through."""

    reads_layers: bool
    limits: Limits
    progress: ProgressCallback
    cancel: threading.Event | None


def validate(
    repository: Repository,
    target: str,
    *,
    reads_layers: bool = True,
    open_parent: OpenRepository | None = None,
    limits: Limits = Limits(),
    progress: ProgressCallback = ignore_progress,
    cancel: threading.Event | None = None,
) -> Validation:
    """Look at everything that a ModelKit or ModelPack promises.

    Args:
        repository: where it is.
        target: tag or digest.
        reads_layers: read and verify every byte; with False layers are asked for existence and size alone.
        open_parent: opens the repository of a parent ModelKit; the default knows folders and registries.
        limits: ``concurrency`` layers at a time; ``max_unpacked_bytes`` bounds what may come out of them.
        progress: hears ``hash`` events, one item per layer.
        cancel: stops between two layers, and whatever waits for the network.

    Raises:
        NotFoundError: no such tag or digest.
        RegistryError: the repository cannot be asked.
    """
    stop = LinkedEvent(cancel)
    repository = stopped_by(repository, stop)
    digest = repository.resolve(target).digest
    report = Report()
    manifest = look_at_manifest(repository, digest, report)
    if manifest is not None:
        _look(Examination(repository, manifest, report, limits, progress, stop), open_parent, reads_layers)
    named = repository.reference if ":" in target else repository.reference.with_tag(target)
    return Validation(named.with_digest(digest), report.findings(), reads_layers)


def _look(case: Examination, open_parent: OpenRepository | None, reads_layers: bool) -> None:
    look_at_types(case)
    kit: ModelKit | None = None
    with case.report.looking_at("kitfile"):
        kit = inspect(case.repository, case.manifest.digest, limits=case.limits)
    if kit is None:
        look_at_blobs(case, case.manifest.blobs, reads_layers)
        return
    if kit.is_described:
        with case.report.looking_at("kitfile"):
            kitfile_rules.check(kit.kitfile)
    case.report.ok("kitfile", f"a Kitfile of {counted(len(kit.layers), 'layer')} that keeps its rules")
    look_at_layers(case, kit)
    contents = read_contents(case, kit) if reads_layers else None
    if contents is None:
        case.report.add("content", "note", "not read: layers were asked for existence and size alone")
    read = {layer.descriptor for layer, _ in contents or ()}
    look_at_blobs(case, [blob for blob in case.manifest.blobs if blob not in read], reads_layers)
    look_at_parents(case, kit, open_parent)
    look_at_file_lists(case, kit, contents)
