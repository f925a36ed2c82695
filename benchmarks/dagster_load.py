"""What a workspace of ModelKits costs Dagster when it loads, against as many plain assets with a check and a stage.

    python benchmarks/dagster_load.py
    python benchmarks/dagster_load.py --kits 1000 --rounds 5

Each definition file is checked by ``dagster definitions validate``, which is what ``dg check defs`` runs, in a process
of its own.  The workspace is loaded from its state: the registry is asked when the state is refreshed, and not here.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

PLAIN = """
import dagster as dg

names = [f"models/kit-{number}" for number in range(KITS)]
specs = [dg.AssetSpec(name.split("/"), kinds={"oci"}, owners=["team:ml"], group_name="models") for name in names]


@dg.multi_observable_source_asset(specs=specs, can_subset=True)
def observed(context):
    raise NotImplementedError


@dg.multi_asset_check(specs=[dg.AssetCheckSpec("integrity", asset=spec.key) for spec in specs], can_subset=True)
def checks(context):
    raise NotImplementedError


def stage(spec):
    @dg.asset(key=[*spec.key.path, "staging"], deps=[spec.key], group_name="models")
    def staging():
        raise NotImplementedError

    return staging


defs = dg.Definitions(assets=[observed, *(stage(spec) for spec in specs)], asset_checks=[checks])
"""
WORKSPACE = """
from pathlib import Path

import dagster as dg

from dagster_kitops import KitOpsWorkspaceComponent

component = KitOpsWorkspaceComponent.from_attributes_dict(
    attributes={
        "registry": {"registry": "ghcr.io"},
        "checks": {"names": ["integrity"]},
        "promotion": {"policy": "POLICY"},
        "owners": ["team:ml"],
        "group_name": "models",
    }
)
defs = component.build_defs_from_state(dg.ComponentTree.for_test().load_context, Path("STATE"))
"""
KITFILE = """manifestVersion: 1.0.0
package: {name: kit, description: What it is for, authors: [ada@example.com]}
model: {name: kit, path: weights.bin, framework: sklearn}
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kits", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dagster-load-") as name:
        folder = Path(name)
        (folder / "policy.yaml").write_text("version: 1\nstages: {staging: {tag: staging}}\n")
        kitfiles = {f"models/kit-{number}": KITFILE for number in range(options.kits)}
        (folder / "state").write_text(json.dumps({"kitfiles": kitfiles, "models": []}))
        workspace = WORKSPACE.replace("POLICY", str(folder / "policy.yaml")).replace("STATE", str(folder / "state"))
        (folder / "plain.py").write_text(PLAIN.replace("KITS", str(options.kits)))
        (folder / "workspace.py").write_text(workspace)
        rounds = [
            {kind: seconds(folder, f"{kind}.py") for kind in ("plain", "workspace")} for _ in range(options.rounds)
        ]
    plain, kits = (statistics.median(each[kind] for each in rounds) for kind in ("plain", "workspace"))
    print(f"| {options.kits} of each | CPU seconds | ratio | goal |")
    print("|---|---|---|---|")
    print(f"| plain assets, a check and a stage each | {plain:.2f} | 1.00 |  |")
    verdict = "met" if kits <= 2 * plain else "missed"
    print(f"| a workspace of ModelKits | {kits:.2f} | {kits / plain:.2f} | 2.0 ({verdict}) |")


def seconds(folder: Path, file: str) -> float:
    """Return the CPU seconds of loading and checking one file."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "DAGSTER_HOME": str(folder), "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-m", "dagster", "definitions", "validate", "-f", str(folder / file)]
    (folder / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    subprocess.run(command, check=True, env=environment, capture_output=True, cwd=folder)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
