"""Give what reads foreign text and bytes inputs that nobody thought of, and the kept ones.

    python tools/fuzz.py --corpus [TARGET ...]       every kept input once: a value, or an error of ours
    python tools/fuzz.py --minutes 10 [TARGET ...]   atheris invents more, beginning with the kept ones

The targets are functions in ``tests/fuzz/targets.py``, the kept inputs stand below ``tests/fuzz/corpus/TARGET/``.
What is found is written into ``.fuzz/found/TARGET/``: mend it, and keep the input under a name that says what it
is.  A kept input may take 20 s of CPU and 512 MiB; an invented one, which is watched while it runs and slow therefore,
120 s and 1 GiB.  Exits with 1 when anything was found.
"""

from __future__ import annotations

import argparse
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CORPUS = ROOT / "tests" / "fuzz" / "corpus"
FOUND = ROOT / ".fuzz" / "found"
CPU_SECONDS = 20
MEMORY_BYTES = 512 * 1024 * 1024
"""What one input may take over what the process has when it begins."""
_LONGEST_INPUT_BYTES = 8192
_WATCHED = ("-timeout=120", "-rss_limit_mb=1024")

sys.path.insert(0, str(ROOT))


class TooLongError(BaseException):
    """An input took too much CPU; not an ``Exception``, so that nothing on the way takes it for one of its own."""


def main() -> int:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    how = parser.add_mutually_exclusive_group(required=True)
    how.add_argument("--corpus", action="store_true", help="run the kept inputs")
    how.add_argument("--minutes", type=float, help="invent inputs for so long, over all targets")
    how.add_argument("--seconds", type=int, help=argparse.SUPPRESS)  # one target, in this process
    arguments = parser.parse_args()
    from tests.fuzz.targets import TARGETS

    names = arguments.targets or list(TARGETS)
    if unknown := [name for name in names if name not in TARGETS]:
        parser.error(f"no such target: {', '.join(unknown)}; there are {', '.join(TARGETS)}")
    if arguments.corpus:
        return max(run_corpus(TARGETS[name], sorted((CORPUS / name).iterdir())) for name in names)
    if arguments.seconds is not None:
        return invent(names[0], arguments.seconds)
    return invent_for_each(names, arguments.minutes)


# --- The kept inputs --------------------------------------------------------------------------------------


def run_corpus(target: Callable[[bytes], object], paths: Iterable[Path]) -> int:
    """Run ``target`` on each file, in bounds, and print what became of it; return 1 where a file was a fault.

    A file whose name begins with ``good-`` has to give a value, one with ``bad-`` has to be refused.
    """
    signal.signal(signal.SIGXCPU, _stop)
    limit_memory()
    status = 0
    for path in paths:
        became, said = outcome(target, path.read_bytes())
        wanted = {"good": "value", "bad": "refused"}.get(path.name.partition("-")[0], became)
        is_fault = became == "fault" or became != wanted
        status |= is_fault
        print(f"{path.parent.name}/{path.name}: {'FAULT: ' if is_fault else ''}{became}{said}")
    return status


def outcome(target: Callable[[bytes], object], data: bytes) -> tuple[str, str]:
    """Return ``value``, ``refused`` (an error of ours) or ``fault``, and what was said."""
    from kitops_orchestration.errors import KitOpsError

    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + CPU_SECONDS, hard))
    try:
        target(data)
    except KitOpsError as error:
        return "refused", f" ({type(error).__name__}: {error})"
    except (Exception, TooLongError) as error:  # noqa: BLE001 - whatever it is, it is what is looked for
        return "fault", f" ({type(error).__name__}: {error})"
    return "value", ""


def limit_memory() -> None:
    """Let this process have 512 MiB more than it has now."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))


def _stop(*_: object) -> None:
    raise TooLongError(f"more than {CPU_SECONDS} s of CPU")


# --- Invented ones ----------------------------------------------------------------------------------------


def invent_for_each(names: list[str], minutes: float) -> int:
    """Run each target in a process of its own, one after the other; return 1 where anything was found."""
    seconds = max(1, int(60 * minutes / len(names)))
    found = []
    for name in names:
        print(f"== {name}: {seconds} s", flush=True)
        command = [sys.executable, __file__, "--seconds", str(seconds), name]
        if subprocess.run(command, check=False).returncode:
            found.append(name)
    print(f"found something: {', '.join(found)}; see {FOUND.relative_to(ROOT)}" if found else "nothing found")
    return 1 if found else 0


def invent(name: str, seconds: int) -> int:
    """Let atheris invent inputs for one target; ends this process."""
    try:
        import atheris
    except ImportError:
        print("atheris is not installed: `make fuzz` does it, where it has a wheel for this Python", file=sys.stderr)
        return 2
    with atheris.instrument_imports(include=["kitops_orchestration", "yaml"]):
        from tests.fuzz.targets import TARGETS

        for path in sorted((CORPUS / name).iterdir()):  # what it imports late is instrumented as well
            outcome(TARGETS[name], path.read_bytes())
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (hard, hard))  # from here on libFuzzer's own limits hold
    work, found = ROOT / ".fuzz" / "work" / name, FOUND / name
    for folder in (work, found):
        folder.mkdir(parents=True, exist_ok=True)
    limits = [f"-max_total_time={seconds}", *_WATCHED]
    options = [f"-artifact_prefix={found}{os.sep}", f"-max_len={_LONGEST_INPUT_BYTES}", "-print_final_stats=1"]
    atheris.Setup([sys.argv[0], *limits, *options, str(work), str(CORPUS / name)], _refusing(TARGETS[name]))
    atheris.Fuzz()
    return 0


def _refusing(target: Callable[[bytes], object]) -> Callable[[bytes], None]:
    from kitops_orchestration.errors import KitOpsError

    def once(data: bytes) -> None:
        try:
            target(data)
        except KitOpsError:
            return

    return once


if __name__ == "__main__":
    sys.exit(main())
