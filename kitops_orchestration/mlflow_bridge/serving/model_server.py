"""serve: run a ModelKit's model on this machine, the way its framework serves it. What ``kit dev`` was for."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypedDict
from urllib.parse import urlsplit

from kitops_orchestration import settings
from kitops_orchestration.errors import KitOpsError
from kitops_orchestration.mlflow_bridge.runs.session import require
from kitops_orchestration.mlflow_bridge.store.checkout import discard_view, model_root, private_view, unpacked
from kitops_orchestration.mlflow_bridge.store.registry_policy import verify_trusted
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.repository import OpenRepository, Repository
from kitops_orchestration.progress import ProgressCallback, ignore_progress
from kitops_orchestration.settings import Limits

if TYPE_CHECKING:
    from kitops_orchestration.signing.trust import TrustPolicy

_POLL_SECONDS = 0.2
_STOP_SECONDS = 10.0
_LOG_TAIL_BYTES = 2000


@dataclass(slots=True)
class ModelServer:
    """A running model server; a context manager that stops it."""

    reference: Reference
    url: str
    """``http://127.0.0.1:<port>``."""
    predict_url: str
    kind: str
    """``mlflow`` or ``llama.cpp``."""
    process: subprocess.Popen[bytes] = field(repr=False)
    log_path: Path = field(repr=False)
    view_dir: Path | None = field(default=None, repr=False)
    """The model's files, for this server alone."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def wait(self) -> int:
        """Wait until the server ends; return its exit code."""
        return self.process.wait()

    def stop(self) -> None:
        """End the server and what it started; harmless when that was done already."""
        if not self.log_path.exists():
            return
        self._signal(signal.SIGTERM)
        # The process that we started may be gone before the one that listens, which it started.
        deadline = time.monotonic() + _STOP_SECONDS
        while time.monotonic() < deadline and (self.process.poll() is None or self._is_listening()):
            time.sleep(_POLL_SECONDS / 4)
        if self.process.poll() is None or self._is_listening():
            self._signal(signal.SIGKILL)
        self.process.wait()
        self.log_path.unlink(missing_ok=True)
        if self.view_dir is not None:
            discard_view(self.view_dir)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)

    def _is_listening(self) -> bool:
        where = urlsplit(self.url)
        try:
            socket.create_connection((where.hostname, where.port), timeout=1).close()
        except OSError:
            return False
        return True


@dataclass(frozen=True, slots=True)
class _Program:
    kind: str
    command: tuple[str, ...]
    health_path: str
    predict_path: str
    view_dir: Path | None = None


class ServeOptions(TypedDict, total=False):
    """What :func:`serve` takes by name and a client or an adapter hands through."""

    host: str
    port: int | None
    trust: TrustPolicy | None
    timeout_seconds: float
    limits: Limits
    progress: ProgressCallback


def serve(
    repository: Repository,
    target: str,
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    trust: TrustPolicy | None = None,
    timeout_seconds: float = 120.0,
    open_parent: OpenRepository | None = None,
    limits: Limits = Limits(),
    progress: ProgressCallback = ignore_progress,
) -> ModelServer:
    """Unpack the ModelKit at ``target``, verified, and start a server for it; return when it answers.

    An MLflow model runs in MLflow's own scoring server in this Python environment, a GGUF file in
    ``llama-cpp-python``'s.  It listens on loopback unless ``host`` says otherwise.

    Raises:
        SignatureError: the trust policy does not accept the ModelKit; nothing was started.
        MissingExtraError: MLflow is not wholly installed.
        KitOpsError: no server for this kind of model, or it did not come up; the end of its log is in the message.
    """
    descriptor = repository.resolve(target)
    verify_trusted(repository, descriptor.digest, trust, open_parent=open_parent)
    content = unpacked(repository, descriptor.digest, open_parent=open_parent, limits=limits, progress=progress)
    chosen = port or _free_port(host)
    program = _program(content, host, chosen)
    with tempfile.NamedTemporaryFile(prefix="kitops-serve-", suffix=".log", delete=False) as log:
        process = subprocess.Popen(
            program.command,
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=settings.environment_of_interpreter(),  # MLflow starts uvicorn by its name
            start_new_session=True,
        )
    url = f"http://{host}:{chosen}"
    server = ModelServer(
        repository.reference.with_digest(descriptor.digest),
        url,
        url + program.predict_path,
        program.kind,
        process,
        Path(log.name),
        program.view_dir,
    )
    try:
        _wait_until_healthy(server, url + program.health_path, timeout_seconds)
    except BaseException:  # also Ctrl-C: a server that nobody waits for must not stay
        server.stop()
        raise
    return server


def _program(content: Path, host: str, port: int) -> _Program:
    if any(content.rglob("MLmodel")):
        return _mlflow_program(private_view(model_root(content)), host, port)
    ggufs = sorted(content.rglob("*.gguf"))
    if not ggufs:
        raise KitOpsError(
            "the ModelKit holds neither an MLflow model nor a GGUF file", advice="unpack it and run it by hand"
        )
    if find_spec("llama_cpp") is None:
        raise KitOpsError(
            "a GGUF model needs llama-cpp-python's server", advice="pip install 'llama-cpp-python[server]'"
        )
    # Of a model split into parts the first one names the rest.
    command = (sys.executable, "-m", "llama_cpp.server", "--model", str(ggufs[0]))
    return _Program("llama.cpp", (*command, "--host", host, "--port", str(port)), "/v1/models", "/v1/completions")


def _mlflow_program(model_dir: Path, host: str, port: int) -> _Program:
    require("MLflow's scoring server", "mlflow", "pandas", "uvicorn")
    command = (sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", str(model_dir))
    options = ("--host", host, "--port", str(port), "--env-manager", "local", "--workers", "1")
    return _Program("mlflow", (*command, *options), "/ping", "/invocations", model_dir)


def _wait_until_healthy(server: ModelServer, url: str, timeout_seconds: float) -> None:
    import requests

    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            raise KitOpsError(f"the model server ended with {server.process.returncode}: {_log_tail(server.log_path)}")
        with contextlib.suppress(requests.RequestException):
            if requests.get(url, timeout=2).ok:
                return
        time.sleep(_POLL_SECONDS)
    raise KitOpsError(
        f"the model server did not answer within {timeout_seconds:g} s: {_log_tail(server.log_path)}",
        advice="give it more time with timeout_seconds",
    )


def predict(server: ModelServer, payload: Any, *, timeout_seconds: float = 60.0) -> Any:
    """Send ``payload`` (``{"inputs": …}``, ``{"dataframe_split": …}``, a completion request) and return the answer.

    Raises:
        KitOpsError: the server refuses the payload, or the model fails on it.
    """
    import requests

    try:
        response = requests.post(server.predict_url, json=payload, timeout=timeout_seconds)
    except requests.RequestException as error:
        raise KitOpsError(f"the model server at {server.url} does not answer: {type(error).__name__}") from error
    if not response.ok:
        raise KitOpsError(f"the model failed on the input ({response.status_code}): {response.text[:500]}")
    return response.json()


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        number: int = probe.getsockname()[1]
        return number


def _log_tail(path: Path) -> str:
    lines: Sequence[str] = path.read_bytes()[-_LOG_TAIL_BYTES:].decode("utf-8", "replace").strip().splitlines()
    return " / ".join(line.strip() for line in lines[-5:] if line.strip()) or "it wrote nothing"
