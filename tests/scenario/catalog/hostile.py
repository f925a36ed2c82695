"""A registry whose every text attacks: names, Kitfiles, statements, metrics, people."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import yaml

from kitops_orchestration.client import KitClient
from kitops_orchestration.lineage.statements import (
    Dependency,
    DeploymentTarget,
    Metric,
    RunContext,
    SourceRun,
    TestResult,
    provenance,
)
from kitops_orchestration.modelkit import GateRules
from kitops_orchestration.oci.reference import folder_registry
from kitops_orchestration.signing import generate_key_pair

CANARY = "data-canary"
"""The attribute of the root element that a script sets when it runs."""
_RUN = f"document.documentElement.setAttribute('{CANARY}','ran')"
ATTACKS = (
    f"<script>{_RUN}</script>",
    f"<img src=x onerror={_RUN}>",
    f'"><svg onload="{_RUN}">',
    f"'><a href=javascript:{_RUN}>x</a>",
    f"javascript:{_RUN}",
    f"</title></style></script><script>{_RUN}</script>",
    f"]]><script>{_RUN}</script>",
    f"{{{{ 7*7 }}}}{{% for x in ().__class__.__base__.__subclasses__() %}}{{{{ x }}}}{{% endfor %}}${{{_RUN}}}",
    f"<!--><script>{_RUN}</script>-->",
    f"[click](javascript:{_RUN}) ![x](x){{onerror={_RUN}}}",
    "safe\u202eexe.tpircs\u2066\u200b\u2028\u2029\x00\x1b[31m\x07",
    "=cmd|' /C calc'!A0",
    "../../../etc/passwd",
    f"<base href=//evil.example/><meta http-equiv=refresh content='0;url=javascript:{_RUN}'>",
    f"<iframe srcdoc='<script>parent.{_RUN}</script>'></iframe>",
    "\ud800 half a pair",
)
ALL = " ".join(ATTACKS)
GIANT = "A" * 1_000_000


def fill(folder: Path) -> KitClient:
    """Make the registry and return a client of it."""
    client = KitClient(folder_registry(folder / "registry"))
    signer = generate_key_pair(key_format="pkcs8").signer
    for number in range(2):
        packed = _pack(client, folder, number)
        for attack in ATTACKS[:-1]:
            _say(client, packed, attack, signer)
        client.promote(packed.reference, stage=f"<b>{number}", tag=f"stage{number}", reason=ALL[:-20], signer=signer)
    # A folder may have any name; so may a repository that is one.
    shutil.copytree(folder / "registry" / "evil" / "kit", folder / "registry" / '"><img src=x onerror=alert(1)>')
    return client


def _pack(client: KitClient, folder: Path, number: int) -> Any:
    context = folder / "work" / str(number)
    context.mkdir(parents=True)
    (context / "model.bin").write_bytes(bytes([number]) * 64)
    clean = [attack for attack in ATTACKS[:-1] if "\x00" not in attack]
    kitfile = {
        "manifestVersion": "1.0.0",
        "package": {
            "name": clean[number],
            "version": clean[1],
            "description": "\n".join(clean) + GIANT,
            "license": clean[2],
            "authors": clean,
        },
        "model": {
            "name": clean[3],
            "path": "model.bin",
            "framework": clean[4],
            "description": clean[5],
            "parameters": {"mlflow": {"params": dict.fromkeys(clean, clean[6]), "metrics": {clean[0]: 0.5}}},
        },
        "datasets": [
            {"name": attack, "path": f"data/{at}.csv", "description": attack} for at, attack in enumerate(clean)
        ],
    }
    (context / "data").mkdir()
    for at in range(len(clean)):
        (context / "data" / f"{at}.csv").write_text(str(at))
    (context / "Kitfile").write_text(yaml.safe_dump(kitfile))
    return client.pack(context, f"evil/kit:{number}.0", gate_rules=GateRules(on_content="warn"))


def _say(client: KitClient, packed: Any, attack: str, signer: Any) -> None:
    run = SourceRun(
        attack,
        f"javascript:{_RUN}",
        attack,
        parameters={attack: attack},
        metrics={attack: "NaN", "auc": "1e999", "f1": 0.5},
        dependencies=(
            Dependency("dataset", attack, f"javascript:{_RUN}", annotations={"rows": attack, "context": attack}),
        ),
        finished_on="2026-01-01T00:00:00Z",
        user=attack,
    )
    context = RunContext(attack, job=attack, task=attack, run_id=attack)
    client.attach(packed.reference, provenance(packed, context, run, builder_id=attack), signer=signer)
    measured = (Metric(attack, attack, ">=", "0.5"),)
    client.attach(
        packed.reference, TestResult("PASSED", metrics=measured, created_on="2026-01-01T00:00:00Z"), signer=signer
    )
    card = {"sections": {"limitations": attack, attack[:60]: attack}, "author": {"name": attack}}
    client.attest(packed.reference, "card", card, signer=signer)
    client.attest(packed.reference, "https://evil.example/<script>", {attack: [attack, {"x": attack}]}, signer=signer)
    place = DeploymentTarget(attack, attack, f"javascript:{_RUN}", attack, attack)
    client.record_deployment(packed.reference, attack[:40], place, signer=signer)
