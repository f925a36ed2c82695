"""A test changes nothing that another process, another test or the next run sees.

What belongs to the whole process is set with ``monkeypatch``, which puts it back, or in a child process: the text of a
script is not looked at here. A limit of resources is never set in this process, not even for a moment: Python writes
the bytecode of what is imported meanwhile, and on some releases keeps what the limit cut.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

CALLS = {
    "faulthandler.enable",
    "gc.disable",
    "gc.freeze",
    "locale.setlocale",
    "logging.basicConfig",
    "logging.disable",
    "os.chdir",
    "os.chroot",
    "os.nice",
    "os.putenv",
    "os.setgid",
    "os.setuid",
    "os.umask",
    "os.unsetenv",
    "random.seed",
    "resource.prlimit",
    "resource.setrlimit",
    "signal.alarm",
    "signal.setitimer",
    "signal.signal",
    "socket.setdefaulttimeout",
    "ssl._create_default_https_context",
    "sys.setrecursionlimit",
    "sys.settrace",
    "sys.setswitchinterval",
    "threading.excepthook",
    "time.tzset",
}
HELD = {"os.environ", "sys.modules", "sys.path", "sys.meta_path", "sys.dont_write_bytecode", "tempfile.tempdir"}
CHANGES = {"append", "clear", "extend", "insert", "pop", "popitem", "remove", "setdefault", "update"}

# One reason per place; a place that is not there any more has to go from here as well.
ALLOWED = {
    ("tests/conftest.py", "os.environ"): "once, before anything is imported: a home that is nobody's",
    ("tests/conftest.py", "resource.setrlimit"): "runs in a child process",
    ("tests/conftest.py", "sys.dont_write_bytecode"): "runs in a child process",
    ("tests/docs/run_page.py", "os.chdir"): "a program, run in a child process",
    ("tests/docs/run_page.py", "os.environ"): "a program, run in a child process",
    ("tests/docs/run_page.py", "os.umask"): "a program, run in a child process",
    ("tests/docs/run_page.py", "sys.modules"): "a program, run in a child process",
    ("tests/docs/run_page.py", "sys.path"): "a program, run in a child process",
    ("tests/e2e/airflow/conftest.py", "os.chdir"): "a task's own machine; put back when the task ends",
    ("tests/e2e/airflow/conftest.py", "os.environ"): "Airflow reads it once, when it is imported",
    ("tests/e2e/airflow/conftest.py", "sys.modules"): "an example is imported again for each test",
    ("tests/e2e/airflow/conftest.py", "tempfile.tempdir"): "a task's own machine; put back when the task ends",
    ("tests/e2e/dagster/test_webserver.py", "signal.signal"): "runs in a child process, before its program starts",
    ("tests/integration/reliability/child.py", "resource.setrlimit"): "a program, run in a child process",
    ("tests/unit/kitops_orchestration/disk/test_write.py", "os.umask"): "put back by the test",
    ("tests/unit/kitops_orchestration/mlflow_bridge/runs/test_artifacts.py", "signal.signal"): "put back by the test",
    ("tests/unit/kitops_orchestration/modelkit/test_pack.py", "signal.signal"): "put back by the test",
    ("tests/unit/kitops_orchestration/modelkit/test_round_trip.py", "os.umask"): "put back by the test",
    ("tests/unit/kitops_orchestration/modelkit/test_unpack_modes.py", "os.umask"): "put back by the fixture",
    ("tests/unit/kitops_orchestration/oci/test_layout_bad_disk.py", "os.setuid"): "runs in a child process",
}


def changes(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and name of each change of something that the whole process shares."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            owner, _, verb = called.rpartition(".")
            if called in CALLS:
                yield node.lineno, called
            elif owner in HELD and verb in CHANGES | {"__setitem__", "__delitem__"}:
                yield node.lineno, owner
        elif isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Delete):
            targets = node.targets if isinstance(node, ast.Assign | ast.Delete) else [node.target]
            for target in targets:
                held = target.value if isinstance(target, ast.Subscript) else target
                if ast.unparse(held) in HELD:
                    yield node.lineno, ast.unparse(held)


def test_no_test_changes_what_the_whole_process_shares(root: Path) -> None:
    found = {
        (path.relative_to(root).as_posix(), name, line)
        for path in sorted((root / "tests").rglob("*.py"))
        for line, name in changes(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert sorted(f"{path}:{line}: {name}" for path, name, line in found if (path, name) not in ALLOWED) == []
    assert set(ALLOWED) - {(path, name) for path, name, _ in found} == set()


def test_the_search_finds_what_it_is_for() -> None:
    source = """
resource.setrlimit(resource.RLIMIT_FSIZE, (1, 1))
os.environ["A"] = "b"
os.environ.setdefault("A", "b")
os.environ |= {}
del sys.modules["a"]
sys.path.insert(0, "a")
tempfile.tempdir = None
monkeypatch.setenv("A", "b")
before = os.environ["A"]
subprocess.run(["python", "-c", "import os; os.umask(0)"])
"""
    assert sorted(changes(ast.parse(source))) == [
        (2, "resource.setrlimit"),
        (3, "os.environ"),
        (4, "os.environ"),
        (5, "os.environ"),
        (6, "sys.modules"),
        (7, "sys.path"),
        (8, "tempfile.tempdir"),
    ]
