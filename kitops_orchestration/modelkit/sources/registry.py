"""Import from a registry: another tool's model artifact, or a ModelKit, becomes a ModelKit of its own."""

from __future__ import annotations

from typing import Unpack

from kitops_orchestration.errors import InvalidReferenceError
from kitops_orchestration.modelkit.inspect import inspect
from kitops_orchestration.modelkit.pack import PackOptions
from kitops_orchestration.modelkit.sources.import_source import ImportResult, pack_import, remove_tree, work_folder
from kitops_orchestration.modelkit.unpack import unpack
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.repository import OpenRepository, Repository
from kitops_orchestration.oci.schemes import opener_beside
from kitops_orchestration.settings import Limits

PREFIXES = ("oci://", "docker://")


def import_artifact(
    source: str,
    repository: Repository,
    *,
    tag: str | None = "latest",
    open_parent: OpenRepository | None = None,
    **options: Unpack[PackOptions],
) -> ImportResult:
    """Unpack an artifact of a registry, verified, and pack what it holds.

    The digest that the reference leads to is recorded as the revision: a tag is looked at once.

    Args:
        source: ``oci://host/repository:tag``, or without the prefix.
        repository: where the ModelKit goes.
        tag: tag of the ModelKit.
        open_parent: opens the source's repository, too.
        options: of :func:`~kitops_orchestration.modelkit.pack.pack`.

    Raises:
        NotFoundError: it is not there.
        UnsupportedModelKitError: it holds no model.
    """
    where = Reference.parse(source).or_latest()
    if where.name == repository.reference.name and tag is not None and where.tag == tag:
        raise InvalidReferenceError(f"{where} would be imported over itself", advice="choose another tag or repository")
    place = (open_parent or opener_beside(repository))(where)
    kit = inspect(place, where.target, allow_foreign=True)
    with work_folder(f"oci:{where.name}@{kit.digest}") as folder:
        remove_tree(folder)
        bounds = options.get("limits", Limits())
        unpack(place, kit.digest, folder / "kit", open_parent=open_parent, limits=bounds, cancel=options.get("cancel"))
        return pack_import(
            folder / "kit",
            repository,
            name=where.repository.rpartition("/")[2],
            source=f"oci://{where.name}",
            revision=str(kit.digest),
            made_at=kit.created.timestamp() if kit.created else None,
            tag=tag,
            open_parent=open_parent,
            options=options,
        )
