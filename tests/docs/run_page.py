"""Run the code blocks of one page of documentation, top to bottom, in an empty folder.

    python tests/docs/run_page.py docs/tutorials/first-modelkit.md           # compare what is printed
    python tests/docs/run_page.py --write docs/tutorials/first-modelkit.md   # put what is printed into the page

- ``console``: each line after ``$ `` runs in bash and must succeed; the lines below it are what it must print. ``…``
  in a line stands for any text, a line ``...`` for any lines. Folder and exported variables last for the page.
- ``python``: runs in one namespace for the page; ``>>>`` blocks are doctests. A block after the line
  ``<!-- prints -->`` is what the Python block before it must have printed.
- any language with ``title="name"``: the block is a file, written and not run.
- The empty folder is shown as ``/home/ada``; ``--write`` shortens digests and leaves times out.
- ``<!-- not run: reason -->`` on the line before a block leaves it out; ``<!-- needs: registry -->`` anywhere gives the
  page an empty registry of its own at ``localhost:5000``, and ``<!-- needs: airflow -->`` a port that is free where it
  says ``localhost:8080``: it starts Airflow itself.
- ``<!-- file: examples/… -->`` on the line before says that the block is that file, which has tests of its own: with a
  title it is written, and it is not run.
- ``<!-- run by: tests/… -->`` names the test that runs the page where it takes longer than a page should.
"""

from __future__ import annotations

import argparse
import contextlib
import doctest
import io
import linecache
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import types
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SKIPPED = 77
FENCE = re.compile(r"^(?P<indent> *)```(?P<language>[\w-]*)(?P<rest>.*)$")
TITLE = re.compile(r'title="([^"]+)"')
PRINTS = "<!-- prints -->"
NOT_RUN = re.compile(r"<!-- (?:not run: |file: )(.+) -->")
SPELLINGS = {"bash": "console", "sh": "console", "shell": "console", "py": "python", "pycon": "python"}
REGISTRY = "localhost:5000"
AIRFLOW = "localhost:8080"
HOME = "/home/ada"
DIGEST = re.compile(r"\bsha256:([0-9a-f]{12})[0-9a-f]{52}\b")

# Pages show a terminal, where bars are gone when a command is done; these lines stand for them elsewhere.
PROGRESS = re.compile(
    r"^(?:hash|pack|push|pull|copy|unpack|export) \S.* \d[\d.]* (?:B|[KMGT]iB)(?: in \d+ s)?"
    r"(?: already there| mounted, no bytes moved)?\n",
    re.MULTILINE,
)
TIME = re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


class PageError(Exception):
    """A block failed, or printed something else than the page says."""


@dataclass
class Block:
    language: str
    title: str | None
    reason_not_run: str | None
    is_output: bool
    first_line: int
    lines: list[str]
    indent: str

    @property
    def text(self) -> str:
        return "\n".join(self.lines) + "\n"

    @property
    def is_run(self) -> bool:
        is_ours = self.is_output or self.title is not None or self.language in {"console", "python"}
        return is_ours and self.reason_not_run is None


def read_blocks(page: str) -> list[Block]:
    blocks: list[Block] = []
    lines = page.splitlines()
    number = 0
    while number < len(lines):
        opening = FENCE.match(lines[number])
        if not opening:
            number += 1
            continue
        end = next(i for i in range(number + 1, len(lines)) if lines[i].strip() == "```")
        before = lines[number - 1] if number else ""
        not_run = NOT_RUN.search(before)
        title = TITLE.search(opening["rest"])
        indent = opening["indent"]
        blocks.append(
            Block(
                language=opening["language"],
                title=title[1] if title else None,
                reason_not_run=not_run[1] if not_run and not (title and "file:" in before) else None,
                is_output=PRINTS in before,
                first_line=number + 2,
                lines=[line.removeprefix(indent) for line in lines[number + 1 : end]],
                indent=indent,
            )
        )
        number = end + 1
    return blocks


def read_commands(lines: list[str]) -> list[tuple[str, list[str], list[str]]]:
    """Split a console block into (command, its lines in the page, the lines it should print)."""
    commands: list[tuple[list[str], list[str]]] = []
    continues = False
    for line in lines:
        if line.startswith("$ "):
            commands.append(([line], []))
            continues = line.endswith("\\") or "<<" in line
        elif continues and line.startswith("> "):
            commands[-1][0].append(line)
        elif not commands:
            raise PageError(f"a console block starts with '$ ', not with {line!r}")
        else:
            continues = False
            commands[-1][1].append(line)
    return [("\n".join(line[2:] for line in shown), shown, printed) for shown, printed in commands]


def matches(printed: str, expected: list[str]) -> bool:
    lines = []
    for line in expected:
        if line.strip() == "...":
            lines.append(r"(?:.*\n)*?")
        else:
            lines.append(".*".join(re.escape(part) for part in line.rstrip().split("…")) + r"\n")
    actual = "".join(line.rstrip() + "\n" for line in printed.rstrip("\n").split("\n")) if printed.strip() else ""
    return re.fullmatch("".join(lines), actual) is not None


class Page:
    """The state that lasts from one block to the next: folder, shell variables, Python names."""

    def __init__(self, path: Path, folder: Path, addresses: dict[str, str]) -> None:
        self.path = path
        self.folder = folder
        self.state = folder / "state.sh"
        self.addresses = addresses
        self.printed = io.StringIO()
        self.module = types.ModuleType("page")
        sys.modules["page"] = self.module

    def here(self, text: str) -> str:
        """Put the addresses of this run where the text has those of the page."""
        for told, here in self.addresses.items():
            text = text.replace(told, here)
        return text

    def there(self, text: str) -> str:
        """Put back what the page says for this run's addresses and folder."""
        for told, address in self.addresses.items():
            text = text.replace(address, told)
        here = str(self.folder / "work")
        return text.replace(here, HOME).replace(here.replace("_", r"\_"), HOME)  # as Markdown writes it

    def run(self, block: Block) -> list[str]:
        """Run one block; return its lines with what was really printed."""
        if block.is_output:
            return self.shown(self.printed.getvalue(), block.lines)
        if block.title:
            target = Path(block.title)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(self.here(block.text), encoding="utf-8")
            return block.lines
        if block.language == "console":
            return [line for command in read_commands(block.lines) for line in self.run_command(*command)]
        self.printed = io.StringIO()
        with contextlib.redirect_stdout(self.printed):
            self.run_python(block)
        return block.lines

    def shown(self, printed: str, expected: list[str]) -> list[str]:
        """Return what the page should show for ``printed``: what it shows now, where that is true."""
        printed = self.there(printed)
        if matches(printed, expected):
            return expected
        lasting = TIME.sub("…", DIGEST.sub(r"sha256:\1…", printed.rstrip("\n")))
        return lasting.split("\n") if printed.strip() else []

    def run_command(self, command: str, shown: list[str], expected: list[str]) -> list[str]:
        script = (
            f"test ! -e {self.state} || . {self.state}\n{self.here(command)}\nstatus=$?\n"
            f'{{ export -p; printf "cd %q\\n" "$PWD"; }} > {self.state}\nexit $status\n'
        )
        done = subprocess.run(
            ["bash", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        if done.returncode:
            raise PageError(f"$ {command}\nleft with {done.returncode}:\n{self.there(done.stdout)}")
        return [*shown, *self.shown(PROGRESS.sub("", done.stdout), expected)]

    def run_python(self, block: Block) -> None:
        text = self.here(block.text)
        name = f"{self.path.name}:{block.first_line}"
        if text.startswith(">>> "):
            test = doctest.DocTestParser().get_doctest(
                text, vars(self.module), name, str(self.path), block.first_line - 1
            )
            results: list[str] = []
            runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS, verbose=False)
            runner.run(test, out=results.append, clear_globs=False)
            vars(self.module).update(test.globs)
            if runner.failures:
                raise PageError("".join(results))
            return
        # Decorators of both orchestrators ask for the source of a function.
        linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
        exec(compile(text, name, "exec"), vars(self.module))  # the page is ours


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def empty_registry(folder: Path) -> Iterator[str]:
    program = shutil.which("docker-registry")
    if program is None:
        print("skipped: docker-registry is not installed")
        sys.exit(SKIPPED)
    port = free_port()
    config = folder / "registry.yml"
    config.write_text(
        f"version: 0.1\nlog: {{level: error}}\nstorage:\n  filesystem: {{rootdirectory: {folder}/registry}}\n"
        f"  delete: {{enabled: true}}\nhttp: {{addr: '127.0.0.1:{port}'}}\n",
        encoding="utf-8",
    )
    with (folder / "registry.log").open("w") as log:
        process = subprocess.Popen([program, "serve", str(config)], stdout=log, stderr=log)
        try:
            wait_for(f"http://127.0.0.1:{port}/v2/")
            yield f"localhost:{port}"
        finally:
            process.terminate()
            process.wait(timeout=10)


def wait_for(url: str) -> None:
    for _ in range(100):
        try:
            urllib.request.urlopen(url, timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise PageError(f"the registry did not answer at {url}")


@contextlib.contextmanager
def what_it_needs(page: str, folder: Path) -> Iterator[dict[str, str]]:
    """Give what the page asks for; yield its addresses: as the page has them, to those of this run."""
    addresses = {}
    if "<!-- needs: airflow -->" in page:
        addresses[AIRFLOW] = f"localhost:{place_for_airflow()}"
    with contextlib.ExitStack() as stack:
        if "<!-- needs: registry -->" in page:
            addresses[REGISTRY] = stack.enter_context(empty_registry(folder))
        yield addresses


def place_for_airflow() -> int:
    """Tell an Airflow that the page starts to listen on a free port; return the port."""
    port = free_port()
    os.environ |= {
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": f"http://localhost:{port}",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://localhost:{port}/execution/",
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__CORE__PARALLELISM": "2",
        "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",  # five seconds do not do where many tests run
        "AIRFLOW__OPENLINEAGE__DISABLED": "True",
    }
    return port


def prepare_environment(folder: Path) -> None:
    """As on a machine where only this project is installed, and nobody has logged in anywhere."""
    os.umask(0o022)
    home = folder / "home"
    home.mkdir()
    for name in list(os.environ):
        if name.startswith(("DOCKER_", "KITOPS_", "MLFLOW_", "DAGSTER_", "AIRFLOW_", "REGISTRY_", "OTEL_")):
            del os.environ[name]
    os.environ |= {
        "HOME": str(home),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "TERM": "dumb",
        "COLUMNS": "100",
        "AIRFLOW_HOME": str(home / "airflow"),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DAGSTER_DISABLE_TELEMETRY": "true",
        "PYTHONWARNINGS": "ignore",
    }
    work = folder / "work"
    work.mkdir()
    os.chdir(work)
    sys.path.insert(0, str(work))


def run_page(path: Path, *, write: bool) -> int:
    """Run every block; return how many printed something else than the page says."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    different: list[tuple[Block, list[str]]] = []
    with tempfile.TemporaryDirectory(prefix="page-", ignore_cleanup_errors=True) as name:
        folder = Path(name).resolve()
        prepare_environment(folder)
        with what_it_needs(text, folder) as addresses:
            page = Page(path, folder, addresses)
            for block in read_blocks(text):
                if block.language in SPELLINGS and block.title is None and block.reason_not_run is None:
                    raise PageError(
                        f"{path.name}:{block.first_line}: say {SPELLINGS[block.language]}, it would not run"
                    )
                if block.is_run and (printed := page.run(block)) != block.lines:
                    different.append((block, printed))
        os.chdir(path.parent)
    for block, printed in reversed(different):
        if write:
            lines[block.first_line - 1 : block.first_line - 1 + len(block.lines)] = [
                (block.indent + line).rstrip() for line in printed
            ]
        else:
            print(f"{path.name}:{block.first_line} does not say what happened:", *printed, sep="\n", end="\n\n")
    if write and different:
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return 0 if write else len(different)


def main() -> int:
    parser = argparse.ArgumentParser(description="Run the code blocks of one page.")
    parser.add_argument("--write", action="store_true", help="put what is printed into the page")
    parser.add_argument("page", type=Path)
    arguments = parser.parse_args()
    try:
        return 1 if run_page(arguments.page.resolve(), write=arguments.write) else 0
    except PageError as error:
        print(f"{arguments.page}: {error}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
