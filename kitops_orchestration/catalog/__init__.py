"""A catalog: a static site about the ModelKits of a registry, for people who never open a terminal.

Four steps, each its own module: ``read`` asks the core's verbs about every repository and every version, and holds no
rule of its own; ``model`` is what they answered, as a value; ``pages`` makes the site's files of that value alone;
``publish`` writes them, all or nothing.  What a ModelKit says is text on a page, never markup, a link or a script.

Used by ``client``: ``model`` (Catalog); ``publish`` (publish); ``read`` (CatalogOptions, read_catalog).

    >>> from kitops_orchestration import KitClient
    >>> KitClient().catalog("registry.example", into=pathlib.Path("site"))  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kitops_orchestration._public import public_names

if TYPE_CHECKING:
    from kitops_orchestration.catalog.environment import CONTENT_POLICY as CONTENT_POLICY
    from kitops_orchestration.catalog.model import Catalog as Catalog
    from kitops_orchestration.catalog.model import DataSet as DataSet
    from kitops_orchestration.catalog.model import Model as Model
    from kitops_orchestration.catalog.model import ModelStage as ModelStage
    from kitops_orchestration.catalog.model import Problem as Problem
    from kitops_orchestration.catalog.model import Published as Published
    from kitops_orchestration.catalog.model import Release as Release
    from kitops_orchestration.catalog.model import Waiting as Waiting
    from kitops_orchestration.catalog.pages import site_files as site_files

__all__ = [
    "CONTENT_POLICY",
    "Catalog",
    "DataSet",
    "Model",
    "ModelStage",
    "Problem",
    "Published",
    "Release",
    "Waiting",
    "site_files",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = public_names(
        __name__, {**dict.fromkeys(__all__, "model"), "CONTENT_POLICY": "environment", "site_files": "pages"}
    )
