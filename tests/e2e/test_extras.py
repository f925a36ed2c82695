"""What users install: the wheel with one extra alone, or the source distribution, in an environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.secrets_hunt import Hunt

ROOT = Path(__file__).resolve().parents[2]
UV = ROOT / ".ci" / "uv"

# Each says at its end what it did; what must not be there is asked for by the test.
AIRFLOW = """
from airflow_kitops.get_provider_info import get_provider_info
from airflow_kitops.hooks import KitOpsHook
from airflow_kitops.operators import KitPackOperator

assert get_provider_info()["package-name"] == "kitops-orchestration"
packed = KitPackOperator(task_id="pack", context_dir="kit", push_to="dev/iris:v1").execute({})
kit = KitOpsHook().client.inspect(packed["reference"])
print(kit.kitfile.package.name, packed["digest"] == kit.digest)
"""
DAGSTER = """
from pathlib import Path

import dagster as dg
from dagster_kitops import KitOpsResource, modelkit_asset

@modelkit_asset(repository="dev/iris")
def iris() -> Path:
    return Path("kit").absolute()

kitops = KitOpsResource(registry=f"file://{Path('models').absolute()}")
result = dg.materialize([iris], resources={"kitops": kitops}, raise_on_error=True)
(event,) = result.asset_materializations_for_node("iris")
print("iris", event.metadata["kitops/digest"].value.startswith("sha256:"))
"""
MLFLOW = """
import os
import mlflow
from kitops_orchestration import KitClient

with mlflow.start_run() as run:
    mlflow.log_metric("accuracy", 0.9)
    mlflow.log_artifact("kit/weights.bin", "model")
    mlflow.log_text("flavors: {}\\nmodel_uuid: 0123456789abcdef0123456789abcdef\\n", "model/MLmodel")
kits = KitClient("file://" + os.getcwd() + "/models")
result = kits.export_run(f"runs:/{run.info.run_id}", "dev/iris:v1")
print("iris", str(result.pack.digest).startswith("sha256:"))
"""
SIGNING = """
import os
from kitops_orchestration import KitClient
from kitops_orchestration.signing.keys import generate_key_pair

pair = generate_key_pair(os.environ["KEY_PASSWORD"])
kits = KitClient("file://" + os.getcwd() + "/models")
packed = kits.pack("kit", "dev/iris:v1")
kits.sign(packed.reference, pair.signer)
print("iris", kits.verify(packed.reference, key=pair.public_key).is_verified)
"""
CORE = """
from kitops_orchestration import KitClient
import os
packed = KitClient("file://" + os.getcwd() + "/models").pack("kit", "dev/iris:v1")
print("iris", packed.digest.startswith("sha256:"))
"""
HEAVY = ("airflow", "dagster", "mlflow", "cryptography")


@dataclass(frozen=True)
class Case:
    """One way to install: from which file, with which extra; the script, and the heavy modules that may be there."""

    kind: str
    extra: str | None
    script: str
    may_have: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.extra or 'core'}"


# Airflow itself needs cryptography; mlflow-skinny does so too.
CASES = (
    Case("sdist", None, CORE, ()),
    Case("wheel", None, CORE, ()),
    Case("wheel", "signing", SIGNING, ("cryptography",)),
    Case("wheel", "mlflow", MLFLOW, ("mlflow", "cryptography")),
    Case("wheel", "dagster", DAGSTER, ("dagster",)),
    Case("wheel", "airflow", AIRFLOW, ("airflow", "cryptography")),
)


def run(*command: str | Path, cwd: Path, env: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, env=env, timeout=280)
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def distributions(
    tmp_path_factory: pytest.TempPathFactory, installers_environment: Mapping[str, str]
) -> dict[str, Path]:
    """The source distribution, and the wheel that was built from it."""
    if not (ROOT / ".tools").is_dir():
        assert not os.environ.get("CI"), "uv has to be there in CI"
        pytest.skip("uv is not in .tools: run make setup")
    folder = tmp_path_factory.mktemp("dist")
    build = (UV, "build", "--quiet", "--python", sys.executable, "--out-dir", folder, ROOT)
    run(*build, cwd=folder, env=installers_environment)
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return {"wheel": wheel, "sdist": sdist}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """An empty folder with a small ModelKit project in it, and nothing of this checkout."""
    kit = tmp_path / "kit"
    kit.mkdir()
    (kit / "weights.bin").write_bytes(b"weights")
    (kit / "Kitfile").write_text("manifestVersion: 1.0.0\npackage: {name: iris}\nmodel: {path: weights.bin}\n")
    return tmp_path


def environment_of(project: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "LC_ALL", "TMPDIR")}
    connection = {"conn_type": "kitops", "host": f"file://{project}/models"}
    return {
        **kept,
        "HOME": str(project / "home"),
        "AIRFLOW_HOME": str(project / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW_CONN_KITOPS_DEFAULT": json.dumps(connection),
        "DAGSTER_DISABLE_TELEMETRY": "true",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_TRACKING_URI": f"file://{project}/mlruns",  # all that mlflow-skinny has without a server
        "MLFLOW_ALLOW_FILE_STORE": "true",
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_one_extra_alone_is_enough_for_what_it_promises(
    case: Case,
    distributions: dict[str, Path],
    project: Path,
    installers_environment: Mapping[str, str],
    secrets_hunt: Hunt,
) -> None:
    venv = project / "venv"
    run(UV, "venv", "--quiet", "--python", sys.executable, venv, cwd=project, env=installers_environment)
    wanted = f"{distributions[case.kind]}[{case.extra}]" if case.extra else str(distributions[case.kind])
    python = venv / "bin" / "python"
    constraints = ROOT / "requirements.lock"
    install = (UV, "pip", "install", "--quiet", "--python", python, "--constraint", constraints, wanted)
    run(*install, cwd=project, env=installers_environment)

    look = f"import importlib.util as u; print([m for m in {HEAVY} if u.find_spec(m)])"
    present = run(python, "-c", look, cwd=project).strip()
    own = {"KEY_PASSWORD": secrets_hunt.make("one extra alone: password of the signing key")}
    printed = run(python, "-c", case.script, cwd=project, env=environment_of(project) | own)
    healthy = json.loads(run(venv / "bin" / "kitctl", "doctor", "--json", cwd=project, env=environment_of(project)))

    assert set(HEAVY) - set(case.may_have) == {name for name in HEAVY if name not in present}
    assert printed.splitlines()[-1] == "iris True"
    verdicts = {item["name"]: item["verdict"] for item in healthy["findings"]}
    assert case.extra is None or verdicts[f"extra {case.extra}"] == "ok", healthy


def test_the_source_distribution_holds_what_a_rebuild_needs_and_no_rubbish(distributions: dict[str, Path]) -> None:
    with tarfile.open(distributions["sdist"]) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
    assert {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "requirements.lock", "Makefile"} <= set(names)
    assert any(name.startswith("tests/") for name in names)
    assert [name for name in names if name.split("/")[0] in (".venv", ".tools", "site", "demo", "dist")] == []
    assert [name for name in names if "__pycache__" in name] == []
