"""The program as a shell sees it: how fast it starts, what it leaves with, and how it takes being stopped."""

from __future__ import annotations

import json
import os
import pty
import re
import resource
import signal
import subprocess
import sys
import time

import pytest

PROGRAM = (sys.executable, "-m", "kitops_orchestration.cli")
HELP_SECONDS = 0.3
HEAVY = {"requests", "oras", "rich", "yaml", "cryptography", "mlflow", "ssl", "asyncio", "email"}


def cpu_seconds(*arguments: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([*PROGRAM, *arguments], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def test_help_starts_at_once() -> None:
    # CPU time, not time on the wall: the neighbours of a busy machine are not the program's fault.
    assert min(cpu_seconds("--help") for _ in range(5)) < HELP_SECONDS


@pytest.mark.parametrize("verb", ["pack", "inspect", "promote", "lineage"])
def test_help_of_a_verb_imports_nothing_heavy(verb: str) -> None:
    script = f"import sys; from kitops_orchestration.cli.main import _run; _run([{verb!r}, '--help'])"
    script += f"; print(sorted({HEAVY!r} & set(sys.modules)), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_exit_codes_reach_the_shell(kitctl, kit, tmp_path) -> None:
    reference = f"file://{tmp_path}/models/iris:v1"
    assert kitctl("pack", kit, "-t", reference).returncode == 0
    assert kitctl("inspect", reference + "2").returncode == 1
    assert kitctl("inspect").returncode == 2
    assert kitctl("doctor", "127.0.0.1:1").returncode == 1


FAR = "→ 模型 🙂"
"""An arrow, letters and a picture that no Western European character set has."""


@pytest.mark.parametrize("characters", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_a_terminal_without_our_letters_shows_escapes_and_programs_get_all_of_them(
    kitctl, kit, tmp_path, environment, characters
) -> None:
    (kit / "Kitfile").write_text(f"package: {{name: {FAR}, authors: [Ädä]}}\nmodel: {{path: model.bin}}\n", "utf-8")
    environment |= {"PYTHONIOENCODING": f"{characters}:strict"}

    def say(*arguments: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run([*PROGRAM, *arguments], env=environment, cwd=tmp_path, capture_output=True, check=False)

    reference = f"file://{tmp_path}/models/iris:v1"
    said = [
        say("pack", str(kit), "-t", reference),
        say("inspect", reference),
        say("info", reference),
        say("diff", reference, reference),
        say("passport", reference),
        say("passport", reference, "--markdown"),
        say("list", reference),
    ]
    assert [(done.returncode, done.stderr) for done in said if done.returncode] == []
    for arguments in (["inspect", reference], ["list", reference.rpartition(":")[0]], ["info", f"{reference}→"]):
        done = say(*arguments, "--json")
        assert done.returncode in (0, 1), done.stderr
        answer = json.loads(done.stdout)  # bytes: UTF-8, as every reader of JSON takes it
        assert FAR in str(answer) or "→" in answer["message"]


def test_a_name_that_the_locale_cannot_write_is_told_and_no_bug(kitctl, kit, tmp_path, environment) -> None:
    (kit / "weights→.bin").write_bytes(b"weights")
    (kit / "Kitfile").write_text("model: {path: weights→.bin}\n", "utf-8")
    environment |= {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = kitctl("pack", kit, "-t", f"file://{tmp_path}/models/iris:v1")
    assert done.returncode == 1, done.stderr
    assert "cannot write" in done.stderr
    assert "LC_ALL=C.UTF-8" in done.stderr


def test_a_reader_that_goes_away_is_no_error(kit, tmp_path, kitctl, environment) -> None:
    kitctl("pack", kit, "-t", f"file://{tmp_path}/models/iris:v1")
    command = f"{sys.executable} -m kitops_orchestration.cli inspect file://{tmp_path}/models/iris:v1 --json | true"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, env=environment)
    assert done.stderr == ""


def test_bars_are_drawn_on_a_terminal_and_gone_at_the_end(kit, environment, embedded_registry) -> None:
    (kit / "model.bin").write_bytes(os.urandom(24 * 1024 * 1024))
    embedded_registry.behaviour.bytes_per_second = 8 * 1024 * 1024  # long enough for a rate on any machine
    where = f"{embedded_registry.host}/team/iris:v1"
    code, shown = on_terminal(environment, "pack", str(kit), "-t", where, "--push", "--progress", "fancy")
    assert code == 0
    assert "MiB/s" in shown
    assert "model.bin" in shown
    assert shown.rstrip().splitlines()[-1].startswith("written")


def test_colours_are_shown_unless_no_color_is_set(kit, tmp_path, environment) -> None:
    coloured = re.compile(r"\x1b\[(?:\d+;)*(?:3\d|4\d|9[0-7]|10[0-7])(?:;\d+)*m")
    command = ("pack", str(kit), "-t", f"file://{tmp_path}/models/iris:v1", "--progress", "fancy")
    kept = {name: value for name, value in environment.items() if name != "NO_COLOR"}
    assert coloured.search(on_terminal(kept, *command)[1])
    code, shown = on_terminal({**kept, "NO_COLOR": "1"}, *command)
    assert code == 0
    assert "model.bin" in shown
    assert coloured.search(shown) is None


def test_stopping_leaves_no_tag_and_no_traceback(kit, tmp_path, environment, embedded_registry) -> None:
    (kit / "model.bin").write_bytes(os.urandom(8 * 1024 * 1024))
    embedded_registry.behaviour.bytes_per_second = 1024 * 1024
    where = f"{embedded_registry.host}/team/iris:v1"
    process = subprocess.Popen(
        [*PROGRAM, "pack", str(kit), "-t", where, "--push"], stderr=subprocess.PIPE, text=True, env=environment
    )
    while not embedded_registry.count(method="POST"):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=5)  # the rest of the upload would take longer
    assert process.returncode == 130
    assert "kitctl: stopped" in err
    assert "Traceback" not in err
    assert embedded_registry.count(method="PUT", path_contains="/manifests/") == 0


def test_completion_offers_verbs_and_options(environment) -> None:
    def offered(words: str) -> str:
        variables = {
            "_KITCTL_COMPLETE": "bash_complete",
            "COMP_WORDS": words,
            "COMP_CWORD": str(len(words.split()) - 1),
        }
        done = subprocess.run(PROGRAM, capture_output=True, text=True, check=False, env={**environment, **variables})
        return done.stdout

    assert "plain,promote" in offered("kitctl pro")
    assert "plain,--tag" in offered("kitctl pack --t")


def on_terminal(environment: dict[str, str], *arguments: str) -> tuple[int, str]:
    """Run the program on a terminal of its own; return its exit code and all that the terminal got."""
    main, side = pty.openpty()
    process = subprocess.Popen(
        [*PROGRAM, *arguments],
        stdin=side,
        stdout=side,
        stderr=side,
        env={**environment, "TERM": "xterm", "COLUMNS": "100"},
    )
    os.close(side)
    shown = b""
    while True:
        try:
            part = os.read(main, 65536)
        except OSError:
            break  # the last program on the terminal is gone
        if not part:
            break
        shown += part
    os.close(main)
    return process.wait(30), shown.decode()


def test_json_is_all_there_is_on_standard_output(kitctl, kit, tmp_path) -> None:
    done = kitctl("pack", kit, "-t", f"file://{tmp_path}/models/iris:v1", "--json", "--progress", "plain")
    assert json.loads(done.stdout)["digest"]
    assert "push" in done.stderr
