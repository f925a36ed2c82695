"""For every test folder: a home that is nobody's, a full disk, any order, and registries.

The registries are a folder, the embedded double, and Debian's docker-registry as a process.
"""

from __future__ import annotations

import importlib.util
import multiprocessing
import os
import py_compile
import random
import resource
import runpy
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
import warnings
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar

import hypothesis
import pytest
from hypothesis import HealthCheck

# --- A home that is nobody's ------------------------------------------------------------------------------
# Set before anything else is imported: Airflow, Dagster and MLflow read it once. What a user configured
# for registries, trackers and clouds is no business of a test, and what a test leaves behind none of the user's.

_USERS_ENVIRONMENT = dict(os.environ)
_HOME = Path(tempfile.mkdtemp(prefix="kitops-test-home-"))
_USERS_OWN = ("AIRFLOW_", "AWS_", "COSIGN_", "DAGSTER_", "HF_", "KITOPS_", "MLFLOW_", "OPENLINEAGE_", "XDG_")
_USERS_OWN += ("DOCKER_CONFIG", "REGISTRY_AUTH_FILE", "GIT_CONFIG", "SOURCE_DATE_EPOCH")

for _name in [name for name in os.environ if name.startswith(_USERS_OWN) and name != "AWS_CA_BUNDLE"]:
    del os.environ[_name]
os.environ |= {
    "HOME": str(_HOME),
    "AIRFLOW_HOME": str(_HOME / "airflow"),
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__OPENLINEAGE__DISABLED": "True",
    "DAGSTER_DISABLE_TELEMETRY": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}

from kitops_orchestration.oci.reference import Reference  # noqa: E402 - after the environment is set
from kitops_orchestration.oci.reference import folder_registry as folder_registry_name  # noqa: E402 - the same
from kitops_orchestration.testing.registry import EmbeddedRegistry  # noqa: E402 - the same

# How long an example takes says something of the machine, which may be busy, and nothing of the code.
# What one run found is not replayed by the next, which would then be another test: a failure prints how to repeat it.
_ANY_MACHINE = hypothesis.settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None, print_blob=True
)
hypothesis.settings.register_profile("any-machine", parent=_ANY_MACHINE, max_examples=30)
hypothesis.settings.register_profile("soak", parent=_ANY_MACHINE, max_examples=2000)
hypothesis.settings.load_profile("any-machine")

_T = TypeVar("_T")
OnAFullDisk = Callable[[int, Callable[[], _T]], _T]

_PROGRAM = "docker-registry"
_START_SECONDS = 20.0


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--random-order",
        type=int,
        metavar="SEED",
        help="shuffle the files, and the tests of each; the same seed gives the same order",
    )
    parser.addoption("--soak", action="store_true", help="try every case where a sample is tried otherwise; takes long")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--soak"):
        hypothesis.settings.load_profile("soak")


def pytest_runtest_setup(item: pytest.Item) -> None:
    left_to_the_night = item.get_closest_marker("soak")
    if left_to_the_night is not None and not item.config.getoption("--soak"):
        pytest.skip(f"with --soak alone: {left_to_the_night.args[0]}")


_YEAR_2001 = 1_000_000_000  # in seconds since 1970


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name a value of which a moment may be part by its argument: workers that collect apart have to agree on names.

    Bytes may be an archive, which holds the time at which it was made, and a large number may be that time itself.
    """
    is_moment = isinstance(val, int | float) and val > _YEAR_2001
    return argname if is_moment or isinstance(val, bytes) else None


_BEGUN = pytest.StashKey[float]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test that took longer than any may: what stopped it may have been caught by what it tests.

    An orchestrator, for instance, takes whatever a step raises, and reports a step that failed.
    """
    report = yield
    own = item.get_closest_marker("timeout")  # what a test says of itself counts before all else, as for what stops it
    said = own.args[0] if own is not None and own.args else (own.kwargs.get("timeout") if own is not None else None)
    most = said or item.config.getoption("timeout") or float(item.config.getini("timeout"))
    # The time runs from before its fixtures are set up, by a moment more than is seen here.
    taken = call.stop - item.stash.setdefault(_BEGUN, call.start)
    if report.passed and report.when != "teardown" and most and taken >= most - 0.2:
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} took {taken:.0f} s and passed; it was to be stopped after {most:g} s"
    return report


def pytest_report_header(config: pytest.Config) -> str | None:
    seed = config.getoption("--random-order")
    return None if seed is None else f"order: --random-order={seed}"


# Where a warning is an error. In the other folders other people's programs run in this process and warn as they like:
# their warnings are shown at the end of the report.
_OWN_FOLDERS = tuple(Path(__file__).parent / name for name in ("unit", "scenario", "contract", "architecture"))


# Begun first, so that no worker waits at the end for another's longest file. All others keep their places.
_LONGEST = """
docs/test_pages.py
scenario/conformance/test_conformance.py
docs/test_reference.py
docs/test_notebook.py
scenario/dagster/test_code_location.py
scenario/dagster/test_promotion_assets.py
scenario/catalog/test_hostile.py
architecture/test_what_verbs_import.py
integration/reliability/test_faults_table.py
integration/mlflow/test_numbers.py
integration/mlflow/test_export.py
integration/catalog/test_browser.py
integration/mlflow/test_plugin.py
integration/cli/test_pipelines.py
integration/cli/test_mlflow.py
integration/mlflow/test_serving.py
integration/mlflow/test_airflow_export.py
integration/mlflow/test_best.py
e2e/airflow/standalone/test_standalone.py
e2e/airflow/celery/test_celery.py
e2e/airflow/standalone/test_tutorial.py
e2e/airflow/test_examples.py
e2e/dagster/celery/test_celery.py
e2e/dagster/test_project.py
e2e/dagster/test_demo.py
e2e/airflow/test_run_to_production.py
e2e/airflow/test_upload_goes_on.py
e2e/test_extras.py
e2e/test_demo.py
"""


@pytest.hookimpl(tryfirst=True)  # before pytest chooses by markers
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Shuffle whole files, so that what a file sets up once is still set up once."""
    for item in items:
        if "is_soak" in getattr(item, "fixturenames", ()) or hypothesis.is_hypothesis_test(getattr(item, "obj", None)):
            item.add_marker("sampled")
        if not any(item.path.is_relative_to(folder) for folder in _OWN_FOLDERS):
            item.add_marker(pytest.mark.filterwarnings("default"))
    seed = config.getoption("--random-order")
    if seed is None:
        ranks = {Path(__file__).parent / name: rank for rank, name in enumerate(_LONGEST.split())}
        items.sort(key=lambda item: ranks.get(item.path, len(ranks)))
        return
    by_file: dict[Path, list[pytest.Item]] = {}
    for item in items:
        by_file.setdefault(item.path, []).append(item)
    order = random.Random(seed)  # every worker of pytest-xdist has to come to the same order
    files = list(by_file.values())
    order.shuffle(files)
    for tests in files:
        order.shuffle(tests)
    items[:] = [item for tests in files for item in tests]


def pytest_unconfigure() -> None:
    shutil.rmtree(_HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def planted() -> dict[str, Any]:
    """Return the corpus of planted secrets and of what only looks like them; see ``tests/data/planted.py``."""
    return runpy.run_path(str(Path(__file__).parent / "data" / "planted.py"), run_name="planted")


@pytest.fixture(scope="session")
def held_out() -> dict[str, Any]:
    """Return the second hold-out of secrets and of harmless files; see ``tests/data/held_out.py``."""
    return runpy.run_path(str(Path(__file__).parent / "data" / "held_out.py"), run_name="held_out")


@dataclass(frozen=True)
class RunningRegistry:
    """A registry process; ``username`` is ``None`` where it lets everyone in."""

    host: str
    storage_dir: Path
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    secret: str = field(default="", repr=False)
    """What it signs the addresses of uploads with."""

    def reference(self, text: str) -> Reference:
        """Return the reference of ``repository[:tag]`` in this registry."""
        return Reference.parse(f"{self.host}/{text}")


@pytest.fixture(autouse=True)
def mlflow_starts_afresh() -> Iterator[None]:
    """What one test tells MLflow (server, experiment, open run) is for that test alone; MLflow keeps it per process."""
    _forget_mlflow()
    yield
    _forget_mlflow()


def _forget_mlflow() -> None:
    if (mlflow := sys.modules.get("mlflow")) is not None and hasattr(mlflow, "active_run"):
        while mlflow.active_run():
            mlflow.end_run()
        mlflow.set_tracking_uri(None)
        mlflow.set_registry_uri(None)
        # MLflow has no public way to leave an experiment.
        mlflow.tracking.fluent._active_experiment_id = None
    # boto3 keeps one session, and MLflow its clients: both with the credentials that were there when they were made.
    if (boto3 := sys.modules.get("boto3")) is not None:
        boto3.DEFAULT_SESSION = None
    if (s3 := sys.modules.get("mlflow.store.artifact.s3_artifact_repo")) is not None:
        s3._cached_get_s3_client.cache_clear()
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "MLFLOW_EXPERIMENT_ID", "MLFLOW_RUN_ID"):
        os.environ.pop(name, None)


@pytest.fixture
def repository_name() -> str:
    """A name nobody used before: registries live longer than tests."""
    return f"team/{uuid.uuid4().hex[:12]}"


@pytest.fixture
def folder_registry(tmp_path: Path) -> str:
    """The registry name of an empty folder (it does not exist yet)."""
    return folder_registry_name(tmp_path / "registry")


@pytest.fixture
def embedded_registry() -> Iterator[EmbeddedRegistry]:
    """An empty embedded registry, perfect until a test tells it otherwise."""
    with EmbeddedRegistry() as registry:
        yield registry


@pytest.fixture
def on_a_full_disk() -> OnAFullDisk:
    """Call something in a child process that can write no file longer than some bytes: a full disk, to that process.

    ``on_a_full_disk(size, call)`` returns what the call returns, which has to be something that pickle takes. Never in
    this process: the limit holds for everything in it, also for the bytecode that Python writes of what it imports.
    Python up to 3.12.7 and 3.13.0 does not notice that such a file was cut, and every later process fails on it.
    """

    def call_in_child(size: int, call: Callable[[], Any]) -> Any:
        fork = multiprocessing.get_context("fork")
        receiver, sender = fork.Pipe(duplex=False)
        child = fork.Process(target=_answer_on_a_full_disk, args=(size, call, sender))
        with warnings.catch_warnings():
            # From 3.12 on Python warns of a fork while other threads run; the child uses nothing of theirs.
            warnings.simplefilter("ignore", DeprecationWarning)
            child.start()
        sender.close()
        try:
            answer = receiver.recv()
        except EOFError:
            child.join()
            pytest.fail(f"the child process on a full disk ended with {child.exitcode} and said nothing")
        child.join()
        if isinstance(answer, _Raised):
            pytest.fail(f"on a full disk: {answer.text}")
        return answer

    return call_in_child


@dataclass(frozen=True)
class _Raised:
    text: str


def _answer_on_a_full_disk(size: int, call: Callable[[], Any], sender: Connection) -> None:
    sys.dont_write_bytecode = True  # the limit would cut it
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    try:
        answer = call()
    except BaseException as error:  # also what pytest.fail raises: the parent has to hear of everything
        answer = _Raised(f"{type(error).__name__}: {error}")
    sender.send(answer)


@pytest.fixture
def bytecode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The bytecode of a module that this process has imported, for the time of the test."""
    source = tmp_path / "module_on_a_full_disk.py"
    source.write_text(f"VALUES = {list(range(1000))}\n")
    spec = importlib.util.spec_from_file_location(source.stem, source)
    assert spec is not None
    monkeypatch.setitem(sys.modules, source.stem, importlib.util.module_from_spec(spec))
    return Path(py_compile.compile(str(source), doraise=True))


@pytest.fixture
def cut_bytecode(bytecode: Path) -> Path:
    """The same after a disk took the first half of it, and Python did not notice."""
    os.truncate(bytecode, bytecode.stat().st_size // 2)
    return bytecode


@pytest.fixture(scope="session")
def is_soak(request: pytest.FixtureRequest) -> bool:
    """Whether a test may take minutes: it then tries every case, and a sample otherwise."""
    return bool(request.config.getoption("--soak"))


@pytest.fixture(scope="session")
def installers_environment() -> Mapping[str, str]:
    """The environment for programs that install packages: the user's own, so index, certificates and cache are his.

    As in ``make setup``; the one thing outside of temporary folders that tests touch is therefore uv's cache.
    """
    return {name: value for name, value in _USERS_ENVIRONMENT.items() if name != "PYTHONPATH"}


@pytest.fixture(scope="session")
def docker_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    """Debian's docker-registry 2.8, anonymous, deletion enabled."""
    yield from _run_registry(tmp_path_factory.mktemp("docker-registry"))


@pytest.fixture(scope="session")
def docker_registry_with_auth(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    """The same with htpasswd: ``registry.username`` and ``registry.password``."""
    password = secrets.token_urlsafe(24)
    yield from _run_registry(tmp_path_factory.mktemp("docker-registry-auth"), "tester", password)


def _run_registry(folder: Path, username: str | None = None, password: str | None = None) -> Iterator[RunningRegistry]:
    program = shutil.which(_PROGRAM)
    if program is None:
        message = f"{_PROGRAM} is not installed (apt-get install {_PROGRAM})"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    host = f"127.0.0.1:{_free_port()}"
    secret = secrets.token_urlsafe(24)
    config_path = _write_config(folder, host, username, password, secret)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, "serve", str(config_path)], stdout=log, stderr=log)
        try:
            _wait_until_ready(host, process, folder / "log")
            yield RunningRegistry(host, folder / "storage", username, password, secret)
        finally:
            process.terminate()
            process.wait(10)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _write_config(folder: Path, host: str, username: str | None, password: str | None, secret: str) -> Path:
    auth = ""
    if username is not None and password is not None:
        import bcrypt

        entry = bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()
        (folder / "htpasswd").write_text(f"{username}:{entry}\n")
        auth = f"auth: {{htpasswd: {{realm: contract, path: {folder / 'htpasswd'}}}}}\n"
    path = folder / "config.yml"
    path.write_text(
        "version: 0.1\n"
        "log: {level: error, accesslog: {disabled: true}}\n"
        f"storage: {{filesystem: {{rootdirectory: {folder / 'storage'}}}, delete: {{enabled: true}}}}\n"
        f"http: {{addr: '{host}', secret: {secret}}}\n{auth}"
    )
    return path


def _wait_until_ready(host: str, process: subprocess.Popen[bytes], log_path: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            urllib.request.urlopen(f"http://{host}/v2/", timeout=1).close()
        except urllib.error.HTTPError:
            return  # 401: it is there and wants credentials
        except OSError:
            time.sleep(0.05)
        else:
            return
    pytest.fail(f"{_PROGRAM} did not start:\n{log_path.read_text()[-2000:]}")
