"""Chromium, driven over a pipe (the DevTools protocol): real clicks and keys, other colours, another width.

``--dump-dom`` shows what a page became; a way through several pages needs a browser that stays.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_FIRST_FREE = 10  # the browser reads from descriptor 3 and writes to 4; ours may have neither number
_LAUNCH = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); os.execv(sys.argv[3], sys.argv[3:])"
)
_PATIENCE_SECONDS = 60


class DevTools:
    """One tab of a browser of its own; leaving the block ends it."""

    def __init__(self, program: str, home: Path) -> None:
        (its_in, ours_out), (ours_in, its_out) = (map(_high, os.pipe()) for _ in range(2))
        command = [program, "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe"]
        command += [f"--user-data-dir={home}", "--window-size=1200,900", "about:blank"]
        self._process = subprocess.Popen(
            [sys.executable, "-c", _LAUNCH, str(its_in), str(its_out), *command],
            pass_fds=(its_in, its_out),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(its_in)
        os.close(its_out)
        self._out, self._in = os.fdopen(ours_out, "wb", buffering=0), os.fdopen(ours_in, "rb", buffering=0)
        self._rest, self._number, self._session = b"", 0, ""
        self.said: list[str] = []
        """What the browser had to say about the pages: errors, refusals of the content policy."""
        self.asked: list[str] = []
        """Every address that was asked for."""
        self.answers: dict[str, int] = {}
        """The status of the last answer of each address."""
        tab = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=tab, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._call(f"{domain}.enable")

    def __enter__(self) -> DevTools:
        return self

    def __exit__(self, *exc: object) -> None:
        self._out.close()
        self._process.terminate()
        self._process.wait(timeout=_PATIENCE_SECONDS)
        self._in.close()

    def show(self, width: int, *, is_dark: bool) -> None:
        """Be so many pixels wide, in a light or a dark room."""
        self._call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}
        self._call("Emulation.setEmulatedMedia", features=[scheme])

    def open(self, page: Path, query: str = "") -> None:
        """Load a page from the disk."""
        self.go(page.as_uri() + query)

    def go(self, address: str) -> None:
        """Load a page from its address."""
        self._going(lambda: self._call("Page.navigate", url=address))

    def log_in(self, address: str, cookie: str, value: str) -> None:
        """Have a cookie for a server, as after a login there."""
        self._call("Network.setCookie", name=cookie, value=value, url=address)

    def save_into(self, folder: Path) -> None:
        """Put what a page gives as a download into a folder."""
        self._call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder), eventsEnabled=False)

    def picture(self, path: Path) -> None:
        """Write the whole page as it is seen into a file."""
        told = self._call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(told["data"]))

    def ask(self, expression: str) -> Any:
        """Return what an expression is on this page, as JSON; a promise is waited for."""
        told = self._call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    def click(self, find: str, *, goes: bool = True) -> None:
        """Click with the mouse in the middle of an element, as a person would; wait for the page that it leads to."""
        place = self.ask(
            f"(() => {{ const it = {find}; it.scrollIntoView({{block: 'center'}}); const box = it.getClientRects()[0];"
            " return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )

        def press() -> None:
            for kind in ("mousePressed", "mouseReleased"):
                self._call("Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left", clickCount=1)

        if goes:
            self._going(press)
        else:
            press()

    def press(self, key: str, code: int, *, goes: bool = False) -> None:
        """Press a key that writes nothing; ``code`` is its number in Windows."""

        def down_and_up() -> None:
            for kind in ("keyDown", "keyUp"):
                text = {"text": "\r"} if key == "Enter" and kind == "keyDown" else {}
                self._call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **text)

        if goes:
            self._going(down_and_up)
        else:
            down_and_up()

    def write(self, text: str) -> None:
        """Write into what has the focus."""
        self._call("Input.insertText", text=text)

    def until(self, expression: str) -> Any:
        """Return what an expression is, as soon as that is something."""
        end = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < end:
            found = self.ask(expression)
            if found:
                return found
            time.sleep(0.05)
        raise AssertionError(f"it never came: {expression}")

    def _going(self, act: Callable[[], Any]) -> None:
        self._loaded = False
        act()
        end = time.monotonic() + _PATIENCE_SECONDS
        while not self._loaded:
            assert time.monotonic() < end, "no page was loaded"
            self._hear(self._message())

    def _call(self, method: str, **parameters: Any) -> Any:
        self._number += 1
        session = {"sessionId": self._session} if self._session else {}
        asked = {"id": self._number, "method": method, "params": parameters, **session}
        self._out.write(json.dumps(asked).encode() + b"\0")
        while True:
            message = self._message()
            if message.get("id") == self._number:
                assert "error" not in message, (method, message["error"])
                return message["result"]
            self._hear(message)

    def _message(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            more = self._in.read(1 << 16)
            assert more, "the browser went away"
            self._rest += more
        first, _, self._rest = self._rest.partition(b"\0")
        return dict(json.loads(first))

    def _hear(self, message: dict[str, Any]) -> None:
        kind, told = message.get("method"), message.get("params", {})
        if kind == "Page.loadEventFired":
            self._loaded = True
        elif kind == "Network.requestWillBeSent":
            self.asked.append(told["request"]["url"])
        elif kind == "Network.responseReceived":
            self.answers[told["response"]["url"]] = told["response"]["status"]
        elif kind == "Log.entryAdded":
            self.said.append(told["entry"]["text"])
        elif kind == "Runtime.exceptionThrown":
            self.said.append(str(told["exceptionDetails"]))
        elif kind == "Page.javascriptDialogOpening":
            self.said.append(f"a dialog: {told['message']}")


def _high(descriptor: int) -> int:
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _FIRST_FREE)
    os.close(descriptor)
    return moved
