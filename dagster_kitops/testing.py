"""For users' own tests: a resource over a folder of its own. The real core, no server, no network."""

# No `from __future__ import annotations`: Dagster reads the field annotations of resources.

import shutil
import tempfile
import weakref
from pathlib import Path
from typing import Any

from dagster_kitops.resources import KitOpsResource
from kitops_orchestration.oci.reference import folder_registry


class FakeKitOpsResource(KitOpsResource):
    """A :class:`KitOpsResource` whose registry is a new temporary folder, gone with the process at the latest.

    Everything is real but the place::

        result = dg.materialize([churn_model], resources={"kitops": FakeKitOpsResource()})

    Pass ``registry`` to look at the same folder from two resources.
    """

    def __init__(self, **fields: Any) -> None:
        folder = None
        if "registry" not in fields:
            folder = tempfile.mkdtemp(prefix="kitops-registry-")
            fields["registry"] = folder_registry(Path(folder))
        super().__init__(**fields)
        if folder is not None:
            weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
