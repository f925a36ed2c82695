"""What a verb imports. Nobody pays, on every command, for a library that the command does not use."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kitops_orchestration.testing.builders import make_context_dir
from kitops_orchestration.testing.registry import EmbeddedRegistry

ROOT = Path(__file__).resolve().parents[2]
NEVER = {"oras", "requests", "urllib3", "jsonschema", "mlflow", "airflow", "dagster", "pandas", "numpy"}

RUN = """
import json, sys
known = set(sys.modules)
try:
    {code}
finally:
    with open({found!r}, "w") as file:
        json.dump(sorted(set(sys.modules) - known), file)
"""


class Machine:
    """A folder to work in, a registry with a password, and new processes that do one thing each."""

    def __init__(self, folder: Path, registry: EmbeddedRegistry) -> None:
        self.folder = folder
        self.host = registry.host
        config = folder / "docker"
        config.mkdir()
        auth = base64.b64encode(f"{registry.username}:{registry.password}".encode()).decode()
        (config / "config.json").write_text(json.dumps({"auths": {registry.host: {"auth": auth}}}))
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("KITOPS_", "DOCKER_"))},
            "HOME": str(folder),
            "DOCKER_CONFIG": str(config),
            "KITOPS_ORCHESTRATION_CACHE": str(folder / "cache"),
            "COSIGN_PASSWORD": "test",
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def modules(self, code: str) -> set[str]:
        """Run Python code in a new process; return the names of the modules that it imported."""
        found = self.folder / "modules.json"
        done = subprocess.run(
            [sys.executable, "-c", RUN.format(code=code, found=str(found))],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{code}\n{done.stdout}{done.stderr}"
        return set(json.loads(found.read_text()))

    def kitctl(self, command: str) -> set[str]:
        """Run ``kitctl`` with a line of arguments, ``HOST`` is the registry and ``FOLDER`` the machine."""
        arguments = command.replace("HOST", self.host).replace("FOLDER", str(self.folder)).split()
        return self.modules(f"from kitops_orchestration.cli.main import main; main({arguments!r})")

    def client(self, call: str) -> set[str]:
        """Run one call of a client of the registry."""
        start = "from kitops_orchestration import KitClient; client = KitClient({host!r}); "
        return self.modules(start.format(host=self.host) + call)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("machine")
    make_context_dir(folder / "iris")
    with EmbeddedRegistry(auth="token") as registry:
        machine = Machine(folder, registry)
        machine.kitctl("pack iris -t HOST/team/iris:v1 --push")
        machine.kitctl("pack iris -t file://FOLDER/models/iris:v1")
        machine.kitctl("keygen -o release")
        machine.kitctl("sign HOST/team/iris:v1 --key release.key")
        yield machine


def roots(modules: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in modules}


COMMANDS = (
    "pack iris -t HOST/team/iris:v2 --push",
    "push HOST/team/iris:v1 HOST/team/pushed:v1",
    "pull HOST/team/iris:v1 file://FOLDER/pulled/iris:v1",
    "copy HOST/team/iris:v1 HOST/team/copied:v1 --referrers",
    "tag HOST/team/iris:v1 HOST/team/iris:v3",
    "list HOST/team/iris",
    "inspect HOST/team/iris:v1",
    "info HOST/team/iris:v1",
    "validate HOST/team/iris:v1",
    "diff HOST/team/iris:v1 HOST/team/iris:v1",
    "unpack HOST/team/iris:v1 -d out -o",
    "sign HOST/team/iris:v1 --key release.key",
    "verify HOST/team/iris:v1 --key release.pub",
    "lineage HOST/team/iris:v1",
    "timeline HOST/team/iris",
    "passport HOST/team/iris:v1",
    "promote HOST/team/iris:v1 --stage staging --to HOST/staging/iris",
    "status HOST/staging/iris --stage staging",
    "deploy HOST/team/iris:v1 --target kserve",
    "export HOST/team/iris:v1 -o iris.tar",
    "doctor HOST",
)
CALLS = (
    "client.check()",
    "client.pack('iris', 'team/packed:v1')",
    "client.publish('iris', 'team/published:v1')",
    "client.unpack('team/iris:v1', 'from_client')",
    "client.inspect('team/iris:v1')",
    "client.validate('team/iris:v1')",
    "client.diff('team/iris:v1', 'team/iris:v1')",
    "client.copy('team/iris:v1', 'team/by_client:v1', referrers=True)",
    "client.tag('team/iris:v1', 'v4')",
    "client.tags('team/iris')",
    "client.resolve('team/iris:v1')",
)


MODULES = {
    "--version": 82,
    "--help": 92,
    "list file://FOLDER/models/iris": 185,
    "inspect file://FOLDER/models/iris:v1": 172,
    "list HOST/team/iris": 246,
    "inspect HOST/team/iris:v1": 237,
    "pack iris -t file://FOLDER/models/iris:v2": 245,
    "unpack HOST/team/iris:v1 -d out -o": 285,
    "sign HOST/team/iris:v1 --key release.key": 323,
    "promote HOST/team/iris:v1 --stage staging --to HOST/staging/iris": 325,
}
"""The most modules that a command may import, the standard library's included: what it takes today, and a tenth."""
OF_THE_NETWORK = {"http.client", "ssl", "socket", "email.parser", "urllib.request"}
OF_KITFILES = {"yaml"}


@pytest.mark.parametrize("command", MODULES)
def test_a_command_imports_no_more_modules_than_it_did(machine: Machine, command: str) -> None:
    modules = machine.kitctl(command)
    assert len(modules) <= MODULES[command], sorted(modules)


@pytest.mark.parametrize("verb", ["list", "inspect"])
def test_who_looks_into_a_folder_pays_for_no_network_and_no_yaml(machine: Machine, verb: str) -> None:
    modules = machine.kitctl(f"{verb} file://FOLDER/models/iris:v1 --json")
    assert not modules & (OF_THE_NETWORK | OF_KITFILES)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_imports_neither_oras_nor_requests(machine: Machine, command: str) -> None:
    assert not roots(machine.kitctl(command)) & NEVER


@pytest.mark.parametrize("call", CALLS)
def test_a_verb_of_the_client_imports_neither_oras_nor_requests(machine: Machine, call: str) -> None:
    assert not roots(machine.client(call)) & NEVER
