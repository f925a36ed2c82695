"""Scan a ModelKit for pickled models that run code when they are loaded, and attach what was found as evidence.

    python examples/scan_model.py registry.example.com/team/iris:v1 [signing key]

Without an argument it packs two small models into a folder registry, one of them malicious, and scans both.
``pip install picklescan`` first; any other scanner fits in ``scan``.
"""

from __future__ import annotations

import multiprocessing
import pickle
import pickletools
import re
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from picklescan.scanner import SafetyLevel, scan_file_path

from kitops_orchestration import KitClient
from kitops_orchestration.lineage import load_evidence
from kitops_orchestration.modelkit import GateRules
from kitops_orchestration.oci import folder_registry
from kitops_orchestration.signing import Signer, generate_key_pair, load_private_key

LONGEST_SECONDS = 30
MOST_MEMORY_BYTES = 2 * 1024**3
OWN_CODE = re.compile(
    r"__main__\.(?!__)\w+|cloudpickle\.cloudpickle\.(_builtin_type|_make_(cell|empty_cell|function|skeleton_(class|enum))"
    r"|_(class|function)_setstate|(dynamic_)?subimport)"
)
"""What cloudpickle writes around every function of one's own: it may do anything, and is not looked at."""


def scan(folder: Path) -> dict[str, Any]:
    """Return what the scanner says of every file, in a form that does not change from run to run."""
    findings: list[dict[str, str]] = []
    not_checked: list[str] = []
    partly_checked: list[str] = []
    paths = sorted(item for item in folder.rglob("*") if item.is_file())
    for path in paths:
        name = path.relative_to(folder).as_posix()
        if path.stat().st_size == 0:
            continue  # the scanner raises on an empty file, in which nothing can hide
        found = scan_one(path)
        if found is None:
            not_checked.append(name)
        else:
            items, is_whole = found
            findings += [{"file": name, **item} for item in items]
            partly_checked += [] if is_whole else [name]
    is_dangerous = any(item["safety"] == SafetyLevel.Dangerous.value for item in findings)
    # What could not be read has not passed.
    result = "FAILED" if is_dangerous or not_checked else "WARNED" if findings or partly_checked else "PASSED"
    scanner = {"name": "picklescan", "version": version("picklescan")}
    return {
        "scanner": scanner,
        "result": result,
        "files": len(paths),
        "notChecked": not_checked,
        "partlyChecked": partly_checked,
        "findings": findings,
    }


def scan_one(path: Path) -> tuple[list[dict[str, str]], bool] | None:
    """Scan one file in a process of its own, which may take so long and so much.

    Returns what it calls, and whether all of it was read; ``None`` when it could not be done.
    """
    receiver, sender = multiprocessing.Pipe(duplex=False)
    child = multiprocessing.get_context("spawn").Process(target=scan_in_bounds, args=(str(path), sender))
    child.start()
    sender.close()
    try:
        return receiver.recv() if receiver.poll(LONGEST_SECONDS) else None
    except EOFError:
        return None  # it was out of memory, or something in the file killed it
    finally:
        child.kill()
        child.join()


def scan_in_bounds(path: str, sender: Any) -> None:
    """Run in the child: bound its memory, scan, and send what was found."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY_BYTES, MOST_MEMORY_BYTES))
    found = scan_file_path(path)
    items = [item for item in found.globals if item.safety != SafetyLevel.Innocuous]
    is_whole = not found.scan_err and ends_well(path)
    if not is_whole and not items and not is_joblib(path):
        return  # nothing is sent: the file was not checked
    sender.send(([{"calls": f"{item.module}.{item.name}", "safety": safety_of(item)} for item in items], is_whole))


def ends_well(path: str) -> bool:
    """Tell whether a pickle has its last opcode: the scanner says nothing of one that is cut."""
    with Path(path).open("rb") as file:
        if file.read(1) != b"\x80":
            return True  # no pickle of protocol 2 or later
        file.seek(0)
        try:
            for _ in pickletools.genops(file):
                pass
        except ValueError:
            return False
    return True


def is_joblib(path: str) -> bool:
    """Raw arrays stand between the opcodes that joblib writes: what follows the first is not read."""
    return Path(path).suffix.lower() in (".joblib", ".jl") or b"joblib" in Path(path).read_bytes()[:4096]


def safety_of(item: Any) -> str:
    """The scanner's word, but for what cloudpickle writes around one's own code, and names that lead elsewhere.

    From protocol 4 on each dot of a name is an attribute: only classes have some that there is a reason to call.
    """
    *owners, _ = item.name.split(".")
    if not all(owner.lstrip("_")[:1].isupper() for owner in owners):
        return SafetyLevel.Dangerous.value
    is_own = OWN_CODE.fullmatch(f"{item.module}.{item.name}")
    return SafetyLevel.Suspicious.value if is_own else item.safety.value


def scan_modelkit(client: KitClient, reference: str, signer: Signer | None) -> dict[str, Any]:
    """Unpack the model layers, scan them, and attach the report to the digest that was scanned."""
    pinned = client.resolve(reference)  # what is scanned and what is vouched for are the same digest
    with tempfile.TemporaryDirectory() as folder:
        client.unpack(pinned, Path(folder), filters=["model"])
        report = scan(Path(folder))
    attached = client.attest(pinned, "scan", report, signer=signer)
    print(f"{reference}: {report['result']}, {report['files']} files")
    for name in report["partlyChecked"]:
        print(f"  {name} was read in part")
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
        # The gate would not let the bad one out; this is about those that somebody else packed.
        client.pack(context, f"team/{name}:v1", gate_rules=GateRules(on_content="warn"))
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
