"""Two pictures of the documentation from a real Dagster in a headless Chromium; a part of ``make pictures``.

    python tools/dagster_pictures.py [FOLDER]

Runs the example in a temporary folder, starts ``dagster-webserver`` there, and looks at the graph of assets and at the
page of a ModelKit.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pictures import BIN, ROOT, SIZE, Browser, browser, free_port, wait

EXAMPLES = ROOT / "examples" / "dagster"
_EVENT = {"width": 1500, "height": 1500}
"""References are long, and the page of an event does not wrap them."""


@contextmanager
def dagster(folder: Path) -> Iterator[str]:
    """Run the example, and then a webserver for the time of a block; give its address."""
    environment = {
        **os.environ,
        "DAGSTER_HOME": str(folder / "dagster"),
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}",
        "KITOPS_REGISTRY": (folder / "registry").as_uri(),
        "PYTHONWARNINGS": "ignore",
    }
    subprocess.run([sys.executable, str(EXAMPLES / "run.py"), str(folder)], env=environment, check=True)
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    with (folder / "webserver.log").open("wb") as log:
        command = [str(BIN / "dagster-webserver"), "-h", "127.0.0.1", "-p", str(port)]
        process = subprocess.Popen(
            [*command, "-f", str(EXAMPLES / "run_to_production.py")],
            env=environment,
            cwd=folder,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            wait("Dagster answers", lambda: answers(f"{address}/server_info"))
            yield address
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def answers(url: str) -> bool:
    """Tell whether a server of this machine answers."""
    try:
        with urllib.request.urlopen(url, timeout=30):  # noqa: S310 - an address of this machine
            return True
    except OSError:
        return False


def take(address: str, page: Browser, folder: Path) -> None:
    """Look at the graph, and at what the last event says of the ModelKit."""
    page.send("Emulation.setDeviceMetricsOverride", **{**SIZE, "height": 620}, deviceScaleFactor=1, mobile=False)
    page.show(f"{address}/assets/wine_kit?view=lineage", "Materialized")
    page.picture(folder / "dagster-assets.png", seconds=15)  # the neighbours load one after the other
    page.send("Emulation.setDeviceMetricsOverride", **_EVENT, deviceScaleFactor=1, mobile=False)
    page.show(f"{address}/assets/wine_kit?view=events", "kitops/")
    page.picture(folder / "dagster-modelkit.png")


def main() -> int:
    """Make both pictures."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "docs" / "pictures")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="kitops-pictures-") as name:
        home = Path(name)
        (home / "chromium").mkdir()
        with dagster(home) as address, browser(home / "chromium") as page:
            take(address, page, folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
