"""A small story in which every verb of ``kitctl`` answers in JSON: packed, signed, attested, promoted, deployed."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
from pathlib import Path
from typing import Any

import yaml

from kitops_orchestration.cli import main
from kitops_orchestration.testing import EmbeddedRegistry

KITFILE = {
    "manifestVersion": "1.0.0",
    "package": {"name": "iris", "version": "1.0.0", "license": "Apache-2.0", "authors": ["Ada"]},
    "model": {
        "name": "iris",
        "path": "model.bin",
        "framework": "scikit-learn",
        "parameters": {"mlflow": {"metrics": {"accuracy": 0.9}, "params": {"depth": "3"}}},
    },
    "datasets": [{"name": "train", "path": "train.csv"}],
}
POLICY = """\
version: 1
rejections: {takenBackBy: [lead]}
stages:
  staging: {checks: [{datasetsDeclared: true}]}
  production: {from: [staging], checks: [{approvals: {roles: [approver], count: 1}}]}
"""
Answers = dict[str, list[Any]]


class Story:
    """Runs verbs and keeps what they answered, under the verb's name."""

    def __init__(self, folder: Path) -> None:
        """Work in ``folder``, which nobody else uses."""
        self.folder = folder
        self.answers: Answers = {}
        self.models = f"file://{folder}/models"

    def say(self, verb: str, *arguments: object, code: int = 0) -> Any:
        """Run a verb with ``--json`` and return its answer; ``verb`` may be two words."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            ended = main._run([*verb.split(), *map(str, arguments), "--json"])
        assert ended == code, (verb, ended, out.getvalue(), err.getvalue())
        value = json.loads(out.getvalue())
        self.answers.setdefault(verb, []).append(value)
        return value

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def context(self, content: str, **model: Any) -> Path:
        """A directory to pack."""
        kitfile = {**KITFILE, "model": {**KITFILE["model"], **model}}
        name = f"context-{content}"
        self.write(f"{name}/model.bin", content)
        self.write(f"{name}/train.csv", "a,b\n1,2\n")
        return self.write(f"{name}/Kitfile", yaml.safe_dump(kitfile, sort_keys=False)).parent


def tell_all(folder: Path) -> Answers:
    """Run every verb that needs no MLflow, those that can answer differently more than once."""
    story = Story(folder)
    for part in (_made, _vouched, _promoted, _looked_at, _carried, _of_a_registry, _of_this_machine, _let_go):
        part(story)
    return story.answers


def _made(story: Story) -> None:
    say, models = story.say, story.models
    bare = story.write("bare/weights.safetensors", "x").parent
    say("init", bare, "--name", "bare")
    story.write("bare/settings.yaml", "password: Tr41n-on-nights!\n")
    say("init", bare, "--force")
    say("scan", bare, code=1)
    say("scan", bare, "--allow-secret", "settings.yaml=of the story")
    for tag, content in (("1.0.0", "one"), ("1.1.0", "two")):
        say("pack", story.context(content), "-t", f"{models}/iris:{tag}", "--attach-files")
    say("pack", story.context("one"), "-t", f"{models}/iris:again")
    say("unpack", f"{models}/iris:1.0.0", "-d", story.folder / "unpacked")
    say("scan", f"{models}/iris:1.0.0", "--attest")
    say("copy", f"{models}/iris:1.0.0", f"{models}/other:1.0.0")
    say("tag", f"{models}/other:1.0.0", "second")
    say("index", f"{models}/iris:both", "--variant", "1.0.0", "n=1,linux/arm64", "--variant", "1.1.0", "n=2")
    say("index", f"{models}/iris:both")
    say("remove", f"{models}/iris:both")
    source = _git_repository(story)
    say("import", source, "--tool", "git", "-t", f"{models}/imported:v1")


def _git_repository(story: Story) -> str:
    folder = story.context("from-git")
    who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com"]
    for command in (["init", "-q"], ["add", "."], [*who, "commit", "-qm", "first"]):
        subprocess.run(["git", *command], cwd=folder, check=True, capture_output=True)
    return f"file://{folder}"


def _vouched(story: Story) -> None:
    say, first = story.say, f"{story.models}/iris:1.0.0"
    say("keygen", "-o", story.folder / "ada")
    story.write(
        "trust.yaml",
        "version: 1\nidentities:\n  - id: ada@example.com\n    name: Ada\n"
        "    roles: [releaser, approver, promoter, tester, builder, evaluator, deployer, lead, witness]\n"
        "    keys: [{publicKey: ada.pub}]\n",
    )
    story.write("promotion.yaml", POLICY)
    key = ("--key", story.folder / "ada.key")
    say("public-key", *key)
    say("sign", first, *key)
    say("sign", first, *key)
    say("verify", first, "--key", story.folder / "ada.pub")
    say("verify", first, "--trust", story.folder / "trust.yaml")
    report = story.write("scan.json", '{"findings": 0}')
    say("attest", first, "--type", "https://example.com/scan/v1", "--predicate", report, *key)


def _promoted(story: Story) -> None:
    say, models = story.say, story.models
    first, second = (f"{models}/iris:{tag}" for tag in ("1.0.0", "1.1.0"))
    key = ("--key", story.folder / "ada.key")
    rules = ("--policy", story.folder / "promotion.yaml", "--trust", story.folder / "trust.yaml")
    production = ("--stage", "production", *rules)
    say("promote", first, "--stage", "staging", *rules, *key)
    say("plan", first, *production, code=1)
    for verb in ("approve", "revoke", "reject", "approve"):
        say(verb, first, *production, *key, "--comment", "looked at it")
    say("plan", first, *production, code=0)
    say("plan", first, *production, "--review", code=0)
    say("promote", first, *production, *key, "--reason", "it is better")
    say("promote", first, *production, *key)
    say("promote", second, "--stage", "staging", *rules, *key)
    say("approve", second, *production, *key)
    say("plan", second, *production, "--review", code=0)
    say("promote", second, *production, *key)
    say("rollback", f"{models}/iris", *production, *key, "--reason", "drift")
    say("freeze", f"{models}/iris", "--stage", "production", "--reason", "quarter end", *key)
    say("freeze", f"{models}/iris", "--stage", "production", "--reason", "over", "--thaw", *key)
    say("status", f"{models}/iris", *rules)
    say("status", f"{models}/iris", *production)
    say("status", f"{models}/iris", *production, "--strict")
    place = ("--environment", "production", "--name", "iris", "--namespace", "models")
    say("record-deployment", first, *place, *key)
    say("overrule", first, *production, *key, "--comment", "settled")
    say("checkpoint", f"{models}/iris", *rules, *key)
    say("checkpoint", f"{models}/iris", *rules, *key, "--renew")
    say("tag", second, "checkpointed")
    say("checkpoint", f"{models}/iris", *rules, *key, "--valid-hours", 1)


def _looked_at(story: Story) -> None:
    say, models = story.say, story.models
    trust = ("--trust", story.folder / "trust.yaml")
    first, second, bare = f"{models}/iris:1.0.0", f"{models}/iris:1.1.0", f"{models}/other:1.0.0"
    say("list", f"{models}/iris")
    say("list", models)
    say("inspect", first)
    say("info", first)
    say("info", first, "-f", "model.name")
    say("validate", first)
    say("validate", first, "--quick")
    say("diff", first, second)
    say("diff", first, second, "--no-files", *trust)
    say("diff", first, first)
    for verb in ("lineage", "passport", "training-data", "sign-offs", "timeline"):
        for reference in (first, bare):
            say(verb, reference)
            say(verb, reference, *trust)
    for verb in ("timeline", "where-deployed"):
        say(verb, f"{models}/iris")
        say(verb, f"{models}/iris", *trust)
    say("catalog", f"{models}/iris", *trust)
    say("catalog", models, "-o", str(story.folder / "site"))


def _carried(story: Story) -> None:
    archive = story.folder / "iris.tar"
    trust = ("--trust", story.folder / "trust.yaml")
    story.say("save", f"{story.models}/iris:1.0.0", "-o", archive, *trust)
    story.say("load", archive, "--to", f"file://{story.folder}/inside/{{name}}", *trust)
    story.say("freeze", f"file://{story.folder}/closed/iris", "--stage", "1.0.0", "--reason", "audit")
    story.say("load", archive, "--to", f"file://{story.folder}/closed/iris", "--without-stages")


def _of_a_registry(story: Story) -> None:
    say = story.say
    with EmbeddedRegistry() as server:
        there = f"{server.host}/iris:1.0.0"
        say("push", f"{story.models}/iris:1.0.0", there, "--referrers")
        say("pull", there, f"{story.models}/pulled:1.0.0")
        for target in ("kubernetes", "kserve", "kserve-storage", "compose", "dockerfile"):
            say("deploy", there, "--target", target)
        say("deploy", there, "--target", "image", "--image-tag", "runs")
        say("login", server.host, "--username", "ada", "--password", "secret")
        say("logout", server.host)
        say("logout", server.host)
        say("doctor", server.host)
        say("doctor", f"{server.host}/iris", "--probe")
    say("init-container", f"{story.models}/iris:1.0.0", story.folder / "container")


def _of_this_machine(story: Story) -> None:
    say = story.say
    say("doctor")
    say("version")
    say("completion", "bash")
    say("cache info")
    say("cache prune", "--unused-days", "0", "--dry-run")
    say("cache clear")


def _let_go(story: Story) -> None:
    say, models = story.say, story.models
    rule = ("--matches", "1.*", "--keep-last", "1")
    say("retain", f"{models}/iris", *rule, "--dry-run")
    say("retain", f"{models}/other", "--matches", "*", "--keep-last", "1")
    say("remove", f"{models}/other:1.0.0,second")
    say("prune", f"{models}/other", "--dry-run")
    say("prune", f"{models}/other", "--grace-hours", "0")
