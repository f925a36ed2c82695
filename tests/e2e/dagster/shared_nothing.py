"""A pipeline whose steps share nothing but the registry and Dagster's own database.

Each process has a scratch folder and a temporary folder of its own, which it empties before it ends; so a step that
needed a file of another step would not find it.
"""

import os
import tempfile
from pathlib import Path

import dagster as dg

from dagster_kitops import (
    KitOpsResource,
    ModelKitIOManager,
    build_modelkit_integrity_checks,
    build_promotion_assets,
    modelkit_asset,
)
from kitops_orchestration.testing.builders import make_context_dir

BASE = Path(os.environ.get("SHARED_NOTHING_BASE", tempfile.gettempdir()))
MINE = BASE / "machines" / str(os.getpid())


class OwnScratch(KitOpsResource):
    def scratch_root(self):
        MINE.mkdir(parents=True, exist_ok=True)
        return MINE


@modelkit_asset(repository="team/tiny", io_manager_key="modelkits")
def tiny(kitops: OwnScratch):
    folder = Path(tempfile.mkdtemp(dir=kitops.scratch_root()))
    return make_context_dir(folder)


@dg.asset(io_manager_key="modelkits")
def distilled(tiny: Path) -> Path:
    folder = make_context_dir(MINE / "distilled", name="distilled", seed=3)
    (folder / "parent.bin").write_bytes((tiny / "model.bin").read_bytes())
    return folder


@dg.asset(ins={"kit": dg.AssetIn(key=["tiny", "staging"], metadata={"kitops/include": ["model"]})})
def served(context: dg.AssetExecutionContext, kit: Path) -> dg.MaterializeResult:
    return dg.MaterializeResult(
        metadata={"files": sorted(path.name for path in kit.iterdir()), "process": os.getpid(), "own": str(MINE)}
    )


kitops = OwnScratch(registry=(BASE / "registry").as_uri())
defs = dg.Definitions(
    assets=[
        tiny,
        distilled,
        *build_promotion_assets(source=tiny, stages=["staging"], io_manager_key="modelkits"),
        served,
    ],
    asset_checks=build_modelkit_integrity_checks(assets=[tiny], blocking=True),
    resources={"kitops": kitops, "modelkits": ModelKitIOManager(kitops=kitops)},
    jobs=[dg.define_asset_job("everything", selection="*")],
)


def everything():
    return defs.resolve_job_def("everything")
