"""The ready pipelines: the script does what it says against a real registry, and both CI systems run it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

PIPELINES = Path(__file__).resolve().parents[3] / "examples" / "pipelines"
PASSWORD = "a password nobody may see"
POLICY = """\
version: 1
stages:
  staging:
    checks:
      - signature: {roles: [releaser]}
      - license: {allow: [Apache-2.0]}
"""
TRUST = """\
version: 1
identities:
  - {id: pipeline@example.com, roles: [releaser], keys: [{publicKey: release.pub}]}
rules:
  signature: {roles: [releaser], threshold: 1}
"""
KITFILE = "manifestVersion: 1.0.0\npackage: {name: iris, license: Apache-2.0}\nmodel: {path: model.bin}\n"
Publish = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def project(tmp_path: Path, kit: Path, kitctl, environment: dict[str, str]) -> Path:
    """A user's repository: script, model, key and policies; and a ``kitctl`` on the path that notes its arguments."""
    programs = tmp_path / "programs"
    programs.mkdir()
    program = programs / "kitctl"
    noting = f'printf "%s\\n" "$*" >> {tmp_path}/commands'
    program.write_text(f'#!/bin/sh\n{noting}\nexec {sys.executable} -m kitops_orchestration.cli "$@"\n')
    program.chmod(0o755)
    environment["PATH"] = f"{programs}{os.pathsep}{environment['PATH']}"
    environment["COSIGN_PASSWORD"] = PASSWORD
    shutil.copy(PIPELINES / "publish.sh", tmp_path)
    (kit / "Kitfile").write_text(KITFILE)
    (tmp_path / "promotion.yaml").write_text(POLICY)
    (tmp_path / "trust.yaml").write_text(TRUST)
    assert kitctl("keygen", "-o", "release").returncode == 0
    return tmp_path


@pytest.fixture
def settings(project: Path, docker_registry, repository_name: str) -> dict[str, str]:
    return {
        "MODEL_DIR": "kit",
        "REFERENCE": f"{docker_registry.host}/{repository_name}:v1",
        "STAGE": "staging",
        "SIGNING_KEY": (project / "release.key").read_text(),
        "COSIGN_PASSWORD": PASSWORD,
    }


@pytest.fixture
def publish(project: Path, environment: dict[str, str]) -> Publish:
    def run(settings: dict[str, str], command: str = "./publish.sh") -> subprocess.CompletedProcess[str]:
        kept = {name: value for name, value in environment.items() if name != "COSIGN_PASSWORD"}
        return subprocess.run(
            ["bash", "-c", command],
            cwd=project,
            env={**kept, **settings},
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )

    return run


def digest_of(kitctl, reference: str) -> str:
    done = kitctl("inspect", reference, "--json")
    assert done.returncode == 0, done.stderr
    return str(json.loads(done.stdout)["digest"])


def test_script_promotes_the_digest_that_it_packed(publish, settings, kitctl, project) -> None:
    done = publish({**settings, "RESULT_FILE": "result.env"})
    assert done.returncode == 0, done.stderr
    repository = settings["REFERENCE"].rpartition(":")[0]
    digest = digest_of(kitctl, settings["REFERENCE"])
    assert digest_of(kitctl, f"{repository}:staging") == digest
    result = dict(line.split("=", 1) for line in (project / "result.env").read_text().splitlines())
    assert result == {"reference": f"{repository}:staging@{digest}", "digest": digest}
    verified = kitctl("verify", f"{repository}:staging", "--trust", "trust.yaml")
    assert verified.returncode == 0, verified.stderr


def test_second_run_adds_nothing(publish, settings, docker_registry) -> None:
    assert publish(settings).returncode == 0
    before = stored_manifests(docker_registry.storage_dir)
    again = publish(settings)
    assert again.returncode == 0, again.stderr
    assert stored_manifests(docker_registry.storage_dir) == before


def stored_manifests(storage_dir: Path) -> set[str]:
    return {str(path) for path in storage_dir.rglob("link")}


def test_destination_names_another_repository(publish, settings, kitctl) -> None:
    destination = settings["REFERENCE"].rpartition(":")[0] + "-staging"
    done = publish({**settings, "DESTINATION": destination})
    assert done.returncode == 0, done.stderr
    assert digest_of(kitctl, f"{destination}:staging") == digest_of(kitctl, settings["REFERENCE"])


def test_failed_check_fails_the_job_and_moves_no_tag(publish, settings, kitctl, project) -> None:
    (project / "kit" / "Kitfile").write_text(KITFILE.replace("Apache-2.0", "Proprietary"))
    done = publish(settings)
    assert done.returncode == 1
    assert "licen" in done.stderr
    assert kitctl("inspect", settings["REFERENCE"].replace(":v1", ":staging")).returncode == 1


def test_stranger_s_key_stops_before_the_promotion(publish, settings, kitctl, project) -> None:
    assert kitctl("keygen", "-o", "stranger").returncode == 0
    done = publish({**settings, "SIGNING_KEY": (project / "stranger.key").read_text()})
    assert done.returncode == 1
    assert "promote" not in (project / "commands").read_text()


def test_missing_setting_is_named(publish, settings) -> None:
    for name in ("MODEL_DIR", "REFERENCE", "STAGE", "SIGNING_KEY", "COSIGN_PASSWORD"):
        done = publish({key: value for key, value in settings.items() if key != name})
        assert done.returncode != 0
        assert name in done.stderr


def test_secrets_are_on_no_command_line_and_nothing_is_left(
    publish, settings, docker_registry_with_auth, repository_name, project, environment
) -> None:
    registry = docker_registry_with_auth
    temporary = project / "temporary"
    temporary.mkdir()
    login = {
        "REFERENCE": f"{registry.host}/{repository_name}:v1",
        "REGISTRY_USERNAME": registry.username,
        "REGISTRY_PASSWORD": registry.password,
        "TMPDIR": str(temporary),
    }
    done = publish({**settings, **login})
    assert done.returncode == 0, done.stderr
    commands = (project / "commands").read_text()
    for secret in (PASSWORD, registry.password, "PRIVATE KEY"):
        assert secret not in commands + done.stdout + done.stderr
    assert list(temporary.iterdir()) == []
    assert not Path(environment["DOCKER_CONFIG"]).exists()


def github() -> tuple[list[str], dict[str, str]]:
    workflow = load("github-actions.yml")
    steps = workflow["jobs"]["publish"]["steps"]
    commands = [step["run"] for step in steps if "run" in step]
    return commands, {name: text for step in steps for name, text in step.get("env", {}).items()}


def gitlab() -> tuple[list[str], dict[str, str]]:
    job = load("gitlab-ci.yml")["publish"]
    # The two secrets are variables of the project, which every job has.
    variables = {**job["variables"], "SIGNING_KEY": "$SIGNING_KEY", "COSIGN_PASSWORD": "$COSIGN_PASSWORD"}
    return [*job["before_script"], *job["script"]], variables


def load(name: str) -> dict[str, Any]:
    loaded = yaml.safe_load((PIPELINES / name).read_text())
    assert isinstance(loaded, dict)
    return loaded


@pytest.mark.parametrize("read", [github, gitlab])
def test_ci_file_runs_exactly_the_script_with_all_it_needs(
    read, publish, settings, docker_registry_with_auth, repository_name, project
) -> None:
    (install, command), variables = read()
    assert install == "pip install 'kitops-orchestration[signing]'"
    runs = [line for line in command.splitlines() if not line.startswith("export ")]
    assert runs == ["./publish.sh"]
    registry = docker_registry_with_auth
    values = {
        **settings,
        "REFERENCE": f"{registry.host}/{repository_name}:v1",
        "REGISTRY_USERNAME": registry.username,
        "REGISTRY_PASSWORD": registry.password,
        "RESULT_FILE": "result.env",
    }
    given = {name: values[name] for name in variables}
    done = publish({**given, "GITHUB_OUTPUT": "result.env"}, command)
    assert done.returncode == 0, done.stderr
    assert f"reference={registry.host}/{repository_name}:staging@sha256:" in (project / "result.env").read_text()


def keyless_github() -> tuple[list[str], dict[str, str]]:
    workflow = load("keyless/github-actions.yml")
    job = workflow["jobs"]["publish"]
    assert job["permissions"]["id-token"] == "write"
    steps = job["steps"]
    commands = [step["run"] for step in steps if "run" in step]
    return commands, {name: text for step in steps for name, text in step.get("env", {}).items()}


def keyless_gitlab() -> tuple[list[str], dict[str, str]]:
    job = load("keyless/gitlab-ci.yml")["publish"]
    assert job["id_tokens"] == {"SIGSTORE_ID_TOKEN": {"aud": "sigstore"}}
    return [*job["before_script"], *job["script"]], job["variables"]


@pytest.mark.parametrize("read", [keyless_github, keyless_gitlab])
def test_keyless_pipeline_of_the_tutorial_runs_with_a_key_in_place_of_the_identity(
    read, publish, kitctl, project, embedded_registry
) -> None:
    """The job's own commands, in its order, with the model and the policy of the tutorial's page."""
    for name in ("train.py", "promotion.yaml"):
        (project / name).write_text(of_the_tutorial(name))
    roles = TRUST.replace("[releaser], keys", "[evaluator, releaser], keys")
    (project / "trust.yaml").write_text(roles)
    (install, train, command), variables = read()
    assert install == "pip install 'kitops-orchestration[scan,sigstore]' scikit-learn"
    assert train == "python train.py"
    assert variables["KEY"] == "keyless:clienttrustconfig.json"
    assert not {"SIGNING_KEY", "COSIGN_PASSWORD"} & set(variables)
    reference = f"{embedded_registry.host}/team/wine:v1"
    values = {
        **{name: variables[name] for name in ("MODEL_DIR", "STAGE", "SCAN")},
        "KEY": "release.key",
        "COSIGN_PASSWORD": PASSWORD,
        "REFERENCE": reference,
        "RESULT_FILE": "result.env",
        "GITHUB_OUTPUT": "result.env",
        "PATH": f"{project}/programs{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    done = publish(values, f"set -e\n{train}\n{command}")
    assert done.returncode == 0, done.stdout + done.stderr
    verbs = [line.split()[0] for line in (project / "commands").read_text().splitlines()]
    assert verbs == ["pack", "scan", "sign", "verify", "promote"]
    assert digest_of(kitctl, reference.replace(":v1", ":production")) == digest_of(kitctl, reference)


def of_the_tutorial(name: str) -> str:
    page = (PIPELINES.parents[1] / "docs" / "tutorials" / "ci.md").read_text(encoding="utf-8")
    found = re.search(rf'^```\w+ title="{re.escape(name)}"\n(.*?)^```$', page, re.MULTILINE | re.DOTALL)
    assert found, name
    return found[1]


@pytest.mark.parametrize(
    "name", ["github-actions.yml", "gitlab-ci.yml", "keyless/github-actions.yml", "keyless/gitlab-ci.yml"]
)
def test_ci_file_holds_no_secret_itself(name: str) -> None:
    found = re.findall(r"^ *(?:SIGNING_KEY|\w*PASSWORD): *(.+)$", (PIPELINES / name).read_text(), re.MULTILINE)
    assert found
    assert all(text.startswith(("${{ secrets.", "$CI_")) for text in found)
