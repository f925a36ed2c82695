"""A registry with three models of five versions each, and the catalog of it: promoted, red, frozen, waiting, deployed.

Everything stays in one folder (``demo/catalog``, or the folder given as argument): a folder registry, the keys of five
people, a promotion policy, a trust policy, and the site.  The weights are a few letters; the statements are real ones.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import yaml

from kitops_orchestration import KitClient
from kitops_orchestration.lineage import (
    Dependency,
    DeploymentTarget,
    Metric,
    RunContext,
    SourceRun,
    TestResult,
    git_source,
    provenance,
)
from kitops_orchestration.oci import folder_registry
from kitops_orchestration.promotion import PromotionPolicy
from kitops_orchestration.signing import TrustPolicy, generate_key_pair

PEOPLE = {
    "ci-train": ["builder", "releaser"],
    "eval-bot": ["evaluator"],
    "Ana Pereira": ["approver"],
    "Jonas Weber": ["approver", "releaser"],
    "argo": ["deployer"],
}
POLICY: dict[str, Any] = {
    "version": 1,
    "stages": {
        "staging": {"checks": [{"signature": {"roles": ["builder"]}}]},
        "production": {
            "from": ["staging"],
            "checks": [
                {"signature": {"roles": ["builder"]}},
                {"metric": {"name": "auc", "min": "0.75"}},
                {"approvals": {"roles": ["approver"], "count": 2}},
            ],
        },
    },
}
CARD = {
    "intended-use": "Scores a card payment before it is booked.\n\nA person decides about every payment above 0.9.",
    "limitations": "Trained on payments inside the EU; cash withdrawals are not among them.",
    "human-oversight": "The fraud desk sees each refusal within four hours, and can lift it.",
    "risk-management": "Entry 14 of the risk register.",
}
MODELS: dict[str, dict[str, Any]] = {
    "risk/fraud-score": {
        "about": "Scores card payments for fraud, from 0 to 1. Gradient boosting, calibrated each week.",
        "auc": [0.912, 0.918, 0.921, 0.931, 0.936],
        "recall": [0.61, 0.622, 0.598, 0.671, 0.683],
        "data": ["payments", "chargebacks"],
        "place": ("eu-1", "payments"),
    },
    "risk/churn-risk": {
        "about": "Probability that a customer leaves within 90 days.",
        "auc": [0.781, 0.776, 0.79, 0.795, 0.801],
        "recall": [0.5, 0.51, 0.54, 0.53, 0.56],
        "data": ["payments", "contracts"],
        "place": ("eu-1", "crm"),
    },
    "vision/label-reader": {
        "about": "Reads shipping labels at the gate.",
        "auc": [0.951, 0.958, 0.957, 0.966, 0.97],
        "recall": [0.9, 0.91, 0.912, 0.93, 0.941],
        "data": ["labels"],
        "place": ("hall-3", "gates"),
    },
}


def main(folder: Path) -> None:
    """Fill the registry, and write its catalog to ``site/``."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    client, policy, trust, keys = prepare(folder)
    for name, model in MODELS.items():
        for number in range(5):
            release(client, folder, name, model, number, keys)
        carry_on(client, name, model, policy, trust, keys)
    found = client.catalog(str(client.registry), policy=policy, trust=trust, into=folder / "site")
    print(f"catalog    {folder / 'site' / 'index.html'}")
    print(f"models     {len(found.models)}, versions {sum(len(model.releases) for model in found.models)}")
    for model in found.on_the_board:
        print(f"  {model.name:<22}{', '.join(f'{stage.name} {stage.state}' for stage in model.stages)}")


def prepare(folder: Path) -> tuple[KitClient, PromotionPolicy, TrustPolicy, dict[str, Any]]:
    """Make keys, both policies and a client."""
    keys = {name: generate_key_pair(key_format="pkcs8") for name in PEOPLE}
    identities = [
        {
            "id": name.lower().replace(" ", "."),
            "name": name,
            "roles": roles,
            "keys": [{"publicKey": keys[name].public_key.pem}],
        }
        for name, roles in PEOPLE.items()
    ]
    (folder / "trust.yaml").write_text(yaml.safe_dump({"version": 1, "identities": identities}))
    (folder / "policy.yaml").write_text(yaml.safe_dump(POLICY, sort_keys=False))
    client = KitClient(folder_registry(folder / "registry"))
    return client, PromotionPolicy.load(folder / "policy.yaml"), TrustPolicy.load(folder / "trust.yaml"), keys


def release(
    client: KitClient, folder: Path, name: str, model: dict[str, Any], number: int, keys: dict[str, Any]
) -> None:
    """Pack one version, sign it, and say where it comes from and what it measured."""
    version, date = f"1.{number}.0", f"2026-0{number + 3}-1{number}T09:00:00Z"
    short = name.rpartition("/")[2]
    context = folder / "work" / short / version
    context.mkdir(parents=True)
    (context / "model.onnx").write_text(f"{short} {version} " * 400 * (number + 1))
    (context / "README.md").write_text(f"# {short}\n\n{model['about']}\n")
    kitfile = {
        "manifestVersion": "1.0.0",
        "package": {
            "name": short,
            "version": version,
            "description": model["about"],
            "license": "Apache-2.0",
            "authors": ["Risk platform"],
        },
        "model": {"name": short, "path": "model.onnx", "framework": "onnx"},
        "docs": [{"path": "README.md"}],
    }
    (context / "Kitfile").write_text(yaml.safe_dump(kitfile, sort_keys=False))
    packed = client.pack(context, f"{name}:{version}")
    by = keys["ci-train"].signer
    client.sign(packed.reference, by)
    data = [
        Dependency("dataset", title, digest={"sha256": _digest(title, 0 if title == "payments" else number // 2)})
        for title in model["data"]
    ]
    commit = hashlib.sha1(f"{name} {number}".encode(), usedforsecurity=False).hexdigest()
    metrics = {"auc": model["auc"][number], "recall": model["recall"][number]}
    run = SourceRun(
        "mlflow-run",
        f"mlflow://tracking.example/experiments/1/runs/{commit[:12]}",
        f"{short}-{number + 1}",
        parameters={"learning_rate": "0.1", "trees": str(200 + 50 * number)},
        metrics=metrics,
        dependencies=(*data, git_source("https://git.example/risk/training", commit)),
        finished_on=date,
    )
    context_of = RunContext("airflow", job=f"train_{short.replace('-', '_')}", task="fit", run_id=f"scheduled-{date}")
    client.attach(packed.reference, provenance(packed, context_of, run), signer=by)
    measured = tuple(Metric(key, str(value), ">=", "0.5") for key, value in metrics.items())
    client.attach(
        packed.reference, TestResult("PASSED", metrics=measured, created_on=date), signer=keys["eval-bot"].signer
    )


def carry_on(
    client: KitClient,
    name: str,
    model: dict[str, Any],
    policy: PromotionPolicy,
    trust: TrustPolicy,
    keys: dict[str, Any],
) -> None:
    """Promote the versions before the newest to production, and the newest to staging."""
    told: dict[str, Any] = {"policy": policy, "trust": trust}
    by = keys["ci-train"].signer
    for version in ("1.1.0", "1.3.0"):
        client.promote(f"{name}:{version}", stage="staging", signer=by, **told)
        for person in ("Ana Pereira", "Jonas Weber"):
            client.approve(f"{name}:{version}", stage="production", signer=keys[person].signer, **told)
        client.promote(f"{name}:{version}", stage="production", signer=by, **told)
    cluster, service = model["place"]
    place = DeploymentTarget("kserve", service, cluster=cluster)
    client.record_deployment(f"{name}:1.3.0", "production", place, signer=keys["argo"].signer)
    client.promote(f"{name}:1.4.0", stage="staging", signer=by, **told)
    if name == "risk/fraud-score":
        comment = "the calibration looks right"
        client.approve(f"{name}:1.4.0", stage="production", signer=keys["Ana Pereira"].signer, comment=comment, **told)
        client.attest(f"{name}:1.4.0", "card", {"sections": CARD}, signer=keys["Ana Pereira"].signer)
    if name == "risk/churn-risk":
        comment = "two regions were left out of the test"
        client.reject(f"{name}:1.3.0", stage="production", signer=keys["Jonas Weber"].signer, comment=comment, **told)
    if name == "vision/label-reader":
        reason = "the cameras of hall 3 are being changed"
        client.freeze(name, stage="production", reason=reason, policy=policy, signer=keys["Jonas Weber"].signer)
        stranger = generate_key_pair(key_format="pkcs8").signer
        client.attach(f"{name}:1.4.0", TestResult("PASSED", metrics=(Metric("auc", "0.999"),)), signer=stranger)
        client.attest(f"{name}:1.4.0", "card", {"sections": {"limitations": "None at all."}}, signer=stranger)


def _digest(*parts: Any) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()


if __name__ == "__main__":
    os.environ.setdefault("NO_COLOR", "1")
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo/catalog").absolute())
