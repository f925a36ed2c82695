"""Publishing: the site is written beside its place and takes it in one step, or nothing changes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kitops_orchestration.catalog import addresses
from kitops_orchestration.catalog.model import Published
from kitops_orchestration.catalog.pages import site_files
from kitops_orchestration.disk.whole_folder import write_whole_folder
from kitops_orchestration.errors import KitOpsError

if TYPE_CHECKING:
    from kitops_orchestration.catalog.model import Catalog


def publish(site: Catalog, folder: Path) -> Published:
    """Write the site to ``folder``, whole or not at all; a site that is there is replaced.

    Raises:
        KitOpsError: ``folder`` has content that no catalog wrote, or cannot be written.
        MissingExtraError: Jinja2 is not installed.
    """
    folder = folder.absolute()
    is_empty = not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))
    if not is_empty and not (folder / addresses.SUMMARY).is_file():
        raise KitOpsError(
            f"{folder} has content that no catalog wrote", advice="name an empty folder, or one that a catalog made"
        )
    files, size_bytes = write_whole_folder(folder, site_files(site))
    return Published(folder, files, size_bytes)
