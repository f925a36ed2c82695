"""The pictures of the documentation, from a real Airflow in a headless Chromium: what ``make pictures`` runs.

    python tools/pictures.py [FOLDER]

Starts ``airflow standalone`` in a temporary home, runs examples on the embedded registry, and looks at the connection's
form, the graph of assets, an approval that waits, and the page of a ModelKit.  Chromium is Debian's; it is spoken to in
its own protocol, and downloads nothing.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from airflow_kitops.get_provider_info import get_provider_info
from kitops_orchestration.client import KitClient
from kitops_orchestration.signing.keys import generate_key_pair
from kitops_orchestration.testing.registry import EmbeddedRegistry

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples" / "airflow"
BIN = Path(sys.executable).parent
SIZE = {"width": 1360, "height": 900}
PATIENCE_SECONDS = 600.0
ANSWER = {
    "comment": "checked by hand",
    "intended-use": "Tells two grapes apart, for teaching.",
    "limitations": "Four bottles of one cellar.",
}
SETTLING_SECONDS = 10.0
"""Airflow 3.3.2 marks a task as failed that is answered before it heard of its first half's end."""


def free_port() -> int:
    """Return a port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait(what: str, question: Callable[[], Any], seconds: float = PATIENCE_SECONDS) -> Any:
    """Ask until the answer is true, and return it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if answer := question():
            return answer
        time.sleep(0.5)
    raise SystemExit(f"waited {seconds:.0f} s in vain until {what}")


class Airflow:
    """One Airflow, where everybody is its administrator."""

    def __init__(self, home: Path) -> None:
        self.home, self.url = home, f"http://127.0.0.1:{free_port()}"
        self.token = ""
        self.pair = generate_key_pair("geheim-1234")

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the API and return its answer."""
        headers = {"Content-Type": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        data = None if body is None else json.dumps(body).encode()
        asked = urllib.request.Request(f"{self.url}{path}", data=data, headers=headers, method=method)  # noqa: S310 - an address of this machine
        with urllib.request.urlopen(asked, timeout=60) as answer:  # noqa: S310 - an address of this machine
            return json.loads(answer.read() or b"null")

    def tried(self, method: str, path: str) -> Any:
        """Ask the API; ``None`` where it does not answer, or has no such thing."""
        try:
            return self.request(method, path)
        except (OSError, ValueError):
            return None

    def is_healthy(self) -> bool:
        """Tell whether every component is."""
        found = self.tried("GET", "/api/v2/monitor/health") or {}
        parts = ("metadatabase", "scheduler", "triggerer", "dag_processor")
        return all((found.get(part) or {}).get("status") == "healthy" for part in parts)

    def run(self, dag: str) -> str:
        """Start a run and return its name."""
        wait(f"the DAG {dag} is there", lambda: self.tried("GET", f"/api/v2/dags/{dag}"))
        return str(self.request("POST", f"/api/v2/dags/{dag}/dagRuns", {"logical_date": None})["dag_run_id"])

    def state(self, dag: str, run: str, task: str = "") -> str:
        """Return the state of a run, or of a task in it."""
        path = f"/api/v2/dags/{dag}/dagRuns/{urllib.parse.quote(run)}" + (f"/taskInstances/{task}" if task else "")
        return str((self.tried("GET", path) or {}).get("state"))


@contextmanager
def airflow(home: Path, registry: str) -> Iterator[Airflow]:
    """Run an Airflow for the time of a block."""
    found = Airflow(home)
    dags = home / "dags"
    dags.mkdir()
    for name in ("train_and_publish.py", "per_version.py", "approve_and_promote.py", "promotion.yaml"):
        shutil.copy(EXAMPLES / name, dags / name)
    pair = found.pair
    (home / "airflow.pub").write_text(pair.public_key.pem)
    (home / "trust.yaml").write_text(
        "version: 1\nidentities:\n  - id: airflow\n    roles: [builder, releaser, deployer, approver, risk]\n"
        "    keys: [{publicKey: airflow.pub}]\n"
    )
    extra = {
        "signing_private_key": pair.private_pem.decode(),
        "signing_private_key_password": "geheim-1234",
        "trust_policy": str(home / "trust.yaml"),
    }
    settings = {
        "API__BASE_URL": found.url,
        "API__HOST": "127.0.0.1",
        "API__PORT": found.url.rpartition(":")[2],
        "API__WORKERS": "1",
        "API_AUTH__JWT_SECRET": "pictures-" * 10,
        "WORKERS__EXECUTION_API_TIMEOUT": "60",  # a machine that does other things, too
        "LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
        "LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
        "SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT": str(free_port()),
        "CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "CORE__DAGS_FOLDER": str(dags),
        "CORE__EXECUTION_API_SERVER_URL": f"{found.url}/execution/",
        "CORE__EXECUTOR": "LocalExecutor",
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "OPENLINEAGE__DISABLED": "True",
    }
    environment = {
        **os.environ,
        **{f"AIRFLOW__{name}": value for name, value in settings.items()},
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "AIRFLOW_HOME": str(home),
        "AIRFLOW_CONN_KITOPS_DEFAULT": json.dumps({"conn_type": "kitops", "host": registry, "extra": extra}),
        "KITOPS_EXAMPLE_REGISTRY": registry,
    }
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(BIN / "airflow"), "standalone"],
            env=environment,
            cwd=home,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            wait("Airflow is healthy", found.is_healthy)
            found.token = found.request("GET", "/auth/token")["access_token"]
            yield found
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


class Browser:
    """One page of Chromium."""

    def __init__(self, opened: ClientConnection) -> None:
        self._socket = opened
        self._numbers = itertools.count(1)

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the DevTools protocol and return its result."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._socket.recv())
            if answer.get("id") == number:
                return dict(answer.get("result") or {})

    def evaluate(self, code: str) -> Any:
        """Return the value of an expression in the page."""
        return self.send("Runtime.evaluate", expression=code, returnByValue=True).get("result", {}).get("value")

    def show(self, url: str, text: str) -> None:
        """Go to a page, and wait until it shows a text."""
        self.send("Page.navigate", url=url)
        self.sees(text)

    def sees(self, text: str) -> None:
        """Wait until the page shows a text."""
        wait(
            f"the page shows {text!r}",
            lambda: self.evaluate(f"document.body.innerText.includes({json.dumps(text)})"),
        )

    def click(self, selector: str) -> None:
        """Wait for an element, and click it."""
        found = json.dumps(selector)
        wait(f"there is {selector}", lambda: self.evaluate(f"!!document.querySelector({found})"), 60)
        self.evaluate(f"document.querySelector({found}).click()")

    def press(self, text: str) -> None:
        """Click the button with a text."""
        buttons = "[...document.querySelectorAll('button')]"
        code = f"{buttons}.find(button => button.innerText.trim() === {json.dumps(text)})"
        wait(f"there is a button {text!r}", lambda: self.evaluate(f"!!{code}"), 60)
        time.sleep(1)  # the one before may still be folding
        place = self.evaluate(
            f"(box => [box.x + box.width / 2, box.y + box.height / 2])({code}.getBoundingClientRect())"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.send("Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left", clickCount=1)

    def picture(self, path: Path, *, seconds: float = 3.0, **how: Any) -> None:
        """Write what the page shows into a file."""
        time.sleep(seconds)  # what is drawn last is animated
        path.write_bytes(base64.b64decode(self.send("Page.captureScreenshot", format="png", **how)["data"]))
        print(path)

    def whole_dialog(self, path: Path) -> None:
        """Write the dialog that is open into a file, from its top to its end, and not what is behind it."""
        time.sleep(3)  # what unfolds is animated
        # The dialog scrolls in what holds it: a window as high as all of that shows it without scrolling.
        height = self.evaluate("Math.max(...[...document.querySelectorAll('*')].map(each => each.scrollHeight))")
        self.send("Emulation.setDeviceMetricsOverride", **{**SIZE, "height": height}, deviceScaleFactor=1, mobile=False)
        time.sleep(3)
        box = self.evaluate(
            "(box => ({x: box.x, y: box.y, width: box.width, height: box.height}))"
            "(document.querySelector('[role=dialog]').getBoundingClientRect())"
        )
        if box["y"] < 0 or box["y"] + box["height"] > height:
            raise SystemExit(f"{path.name} would be cut: {box} in a window {height} high")
        self.picture(path, seconds=0, clip={**box, "scale": 1})
        self.send("Emulation.setDeviceMetricsOverride", **SIZE, deviceScaleFactor=1, mobile=False)


@contextmanager
def browser(home: Path) -> Iterator[Browser]:
    """Run Chromium for the time of a block."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        raise SystemExit("chromium is not installed: sudo apt-get install chromium")
    size = f"--window-size={SIZE['width']},{SIZE['height']}"
    options = [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--remote-debugging-port=0",
        size,
    ]
    process = subprocess.Popen(
        [program, *options, f"--user-data-dir={home}", "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        told = home / "DevToolsActivePort"
        wait("Chromium listens", lambda: told.exists() and told.read_text().strip())
        port = told.read_text().split()[0]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json", timeout=30) as answer:
            pages = json.loads(answer.read())
        address = next(page["webSocketDebuggerUrl"] for page in pages if page["type"] == "page")
        with connect(address, max_size=None) as opened:
            yield Browser(opened)
    finally:
        process.kill()
        process.wait()


def main() -> int:
    """Make all pictures."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "docs" / "pictures")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="kitops-pictures-") as name:
        home = Path(name)
        (home / "airflow").mkdir()
        (home / "chromium").mkdir()
        with (
            EmbeddedRegistry() as registry,
            airflow(home / "airflow", registry.host) as server,
            browser(home / "chromium") as page,
        ):
            put_the_one_before(server, KitClient(registry.host))
            take(server, page, folder)
    return 0


def put_the_one_before(server: Airflow, client: KitClient) -> None:
    """Have a version in production already, so that an approval has something to compare with."""
    folder = server.home / "before"
    folder.mkdir()
    (folder / "model.json").write_text('{"threshold": 12.0}')
    (folder / "wine.csv").write_text("13.2,1\n12.4,0\n")
    (folder / "Kitfile").write_text(
        "manifestVersion: 1.0.0\npackage: {name: wine, version: 0.9.0}\n"
        "model: {name: wine, path: model.json}\ndatasets: [{name: training, path: wine.csv}]\n"
    )
    packed = client.pack(folder, "wine:v0.9.0")
    client.promote(packed.reference, stage="production", reason="the first one", signer=server.pair.signer)


def take(server: Airflow, page: Browser, folder: Path) -> None:
    """Do what the documentation tells of, and look at it."""
    page.send("Network.setCookie", name="_token", value=server.token, url=server.url)
    show_connection(server, page, folder)
    published = server.run("train_and_publish")
    wait("a model is published", lambda: server.state("train_and_publish", published) == "success")
    asked = server.run("approve_and_promote")
    wait("somebody is asked", lambda: server.state("approve_and_promote", asked, "approve") == "awaiting_input")
    assets = server.request("GET", "/api/v2/assets")["assets"]
    model = next(asset for asset in assets if asset["group"] == "model")
    page.show(f"{server.url}/assets/{model['id']}", model["name"])
    page.picture(folder / "asset.png")

    run = urllib.parse.quote(asked)
    page.show(
        f"{server.url}/dags/approve_and_promote/runs/{run}/tasks/approve/required_actions", "Waits for your decision"
    )
    page.send("Emulation.setDeviceMetricsOverride", **{**SIZE, "height": 2600}, deviceScaleFactor=1, mobile=False)
    page.picture(folder / "approval.png")
    page.send("Emulation.setDeviceMetricsOverride", **SIZE, deviceScaleFactor=1, mobile=False)

    time.sleep(SETTLING_SECONDS)
    details = f"/api/v2/dags/approve_and_promote/dagRuns/{run}/taskInstances/approve/-1/hitlDetails"
    server.request("PATCH", details, {"chosen_options": ["Approve"], "params_input": ANSWER})
    wait("it is promoted", lambda: server.state("approve_and_promote", asked) == "success")
    page.show(f"{server.url}/kitops/models/{model['id']}", "v1.0.0")
    page.picture(folder / "modelkit.png", seconds=1, captureBeyondViewport=True)  # down to the end of its timeline


def show_connection(server: Airflow, page: Browser, folder: Path) -> None:
    """Look at the form of a connection: at first, and its extra fields."""
    stored = {"connection_id": "kitops_default", "conn_type": "kitops", "host": "ghcr.io", "login": "robot"}
    (kind,) = (each for each in get_provider_info()["connection-types"] if each["connection-type"] == "kitops")
    # Whoever edits a connection sees the fields that it has; who makes one sees all of them, as here.
    extra = {name: field["schema"].get("default") for name, field in kind["conn-fields"].items()}
    extra["namespace"] = "team/models"
    server.request("POST", "/api/v2/connections", {**stored, "extra": json.dumps(extra)})

    page.send("Emulation.setDeviceMetricsOverride", **SIZE, deviceScaleFactor=1, mobile=False)
    page.show(f"{server.url}/connections", "kitops_default")
    page.click('button[aria-label*="Edit"]')
    page.sees("Password or token")
    page.whole_dialog(folder / "connection.png")
    for part in ("Standard Fields", "Extra Fields"):  # one is closed, the other opened
        page.press(part)
    page.sees("Time-stamp authority")
    page.whole_dialog(folder / "connection-extra.png")


if __name__ == "__main__":
    sys.exit(main())
