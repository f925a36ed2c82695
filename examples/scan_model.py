"""Scan a ModelKit for pickled models that run code when they are loaded, and attach what was found as evidence.

    python examples/scan_model.py registry.example.com/team/iris:v1 [signing key]

Without an argument it packs two small models into a folder registry, one of them malicious, and scans both.
``pip install picklescan`` first; any other scanner fits in ``scan``.
"""

from __future__ import annotations

import pickle
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from picklescan.scanner import SafetyLevel, scan_file_path

from kitops_orchestration import KitClient
from kitops_orchestration.lineage.attach import load_evidence
from kitops_orchestration.oci.reference import folder_registry
from kitops_orchestration.signing.keys import Signer, generate_key_pair, load_private_key


def scan(folder: Path) -> dict[str, Any]:
    """Return what the scanner says of every file, in a form that does not change from run to run."""
    findings, files, has_error = [], 0, False
    for path in sorted(item for item in folder.rglob("*") if item.is_file()):
        found = scan_file_path(str(path))
        files += 1
        has_error = has_error or found.scan_err
        findings += [
            {
                "file": path.relative_to(folder).as_posix(),
                "calls": f"{item.module}.{item.name}",
                "safety": item.safety.value,
            }
            for item in found.globals
            if item.safety != SafetyLevel.Innocuous
        ]
    is_dangerous = any(item["safety"] == SafetyLevel.Dangerous.value for item in findings)
    # What could not be read has not passed.
    result = "FAILED" if is_dangerous or has_error else "WARNED" if findings else "PASSED"
    scanner = {"name": "picklescan", "version": version("picklescan")}
    return {"scanner": scanner, "result": result, "files": files, "hadErrors": has_error, "findings": findings}


def scan_modelkit(client: KitClient, reference: str, signer: Signer | None) -> dict[str, Any]:
    """Unpack the model layers, scan them, and attach the report to the digest that was scanned."""
    pinned = client.resolve(reference)  # what is scanned and what is vouched for are the same digest
    with tempfile.TemporaryDirectory() as folder:
        client.unpack(pinned, Path(folder), filters=["model"])
        report = scan(Path(folder))
    attached = client.attest(pinned, "scan", report, signer=signer)
    print(f"{reference}: {report['result']}, {report['files']} files")
    for finding in report["findings"]:
        print(f"  {finding['safety']}: {finding['file']} calls {finding['calls']}")
    print(f"  {attached.to_markdown()}", end="")
    return report


class Malicious:
    """What somebody could hide in a pickled model; only ever pickled here, never loaded."""

    def __reduce__(self) -> tuple[Any, ...]:
        import os

        return os.system, ("echo this could be anything",)


def demonstrate(folder: Path) -> None:
    client = KitClient(folder_registry(folder / "registry"))
    signer = generate_key_pair(key_format="pkcs8").signer
    for name, model in (("good", {"weights": [0.1, 0.2]}), ("bad", Malicious())):
        context = folder / name
        context.mkdir()
        (context / "model.pkl").write_bytes(pickle.dumps(model))
        (context / "Kitfile").write_text("manifestVersion: 1.0.0\nmodel: {name: demo, path: model.pkl}\n")
        client.pack(context, f"team/{name}:v1")
        scan_modelkit(client, f"team/{name}:v1", signer)
    where = client.reference("team/bad:v1")
    [evidence] = load_evidence(client.repository(where), where.target)
    print(f"On record for {where.repository}: {evidence.predicate_type}, {evidence.statement.predicate['result']}")


def main() -> None:
    if len(sys.argv) < 2:
        with tempfile.TemporaryDirectory() as folder:
            demonstrate(Path(folder))
        return
    signer = load_private_key(Path(sys.argv[2]), password_env="COSIGN_PASSWORD") if len(sys.argv) > 2 else None
    report = scan_modelkit(KitClient(), sys.argv[1], signer)
    sys.exit(0 if report["result"] == "PASSED" else 1)


if __name__ == "__main__":
    main()
