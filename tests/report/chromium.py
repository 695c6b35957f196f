"""A headless Chromium, controlled through a pipe by its DevTools protocol."""

import base64
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

BINARY = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-extensions"),
    *("--disable-dev-shm-usage", "--remote-debugging-pipe"),
]


class Page:
    """A tab. Its messages and requests are in ``events``, as (method, parameters) in order."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self.to_browser, self.from_browser = to_browser, from_browser
        self.unread, self.session, self.number = b"", "", 0
        self.events: list[tuple[str, dict[str, Any]]] = []
        target = self("Target.createTarget", url="about:blank")["targetId"]
        self.session = self("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self(f"{domain}.enable")

    def __call__(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and return its result, keeping the events that come before it."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to_browser, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != self.number:
            self.events.append((answer["method"], answer["params"]))
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def open(self, path: Path, *, width: int = 1280, dark: bool = False, print_: bool = False) -> None:
        """Load a file in a window of this width and wait for its load event."""
        self(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=width < 500,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self("Emulation.setEmulatedMedia", media="print" if print_ else "screen", features=[scheme])
        self.events.clear()
        self("Page.navigate", url=path.as_uri())
        while "Page.loadEventFired" not in [method for method, _ in self.events]:
            answer = self._next()
            self.events.append((answer["method"], answer["params"]))

    def run(self, expression: str) -> Any:
        """Evaluate a JavaScript expression; raise what it throws."""
        answer = self("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"]["exception"]["description"])
        return answer["result"].get("value")

    def press(self, key: str) -> None:
        """Press and release Tab, Enter or the space bar."""
        code, text = {"Tab": (9, ""), "Enter": (13, "\r"), " ": (32, " ")}[key]
        same = {"key": key, "windowsVirtualKeyCode": code}
        self("Input.dispatchKeyEvent", type="keyDown", text=text, **same)
        self("Input.dispatchKeyEvent", type="keyUp", **same)

    def picture(self) -> bytes:
        """The whole page as PNG."""
        return base64.b64decode(self("Page.captureScreenshot", captureBeyondViewport=True)["data"])

    def pdf(self) -> bytes:
        return base64.b64decode(
            self("Page.printToPDF", preferCSSPageSize=True, paperWidth=8.27, paperHeight=11.69)["data"]
        )

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self.unread:
            more = os.read(self.from_browser, 1 << 16)
            if not more:
                raise EOFError("Chromium has ended")
            self.unread += more
        message, _, self.unread = self.unread.partition(b"\0")
        return json.loads(message)


@contextmanager
def browser() -> Iterator[Page]:
    """A Chromium with a new profile, ended on exit."""
    child_in, to_browser = os.pipe()
    from_browser, child_out = os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        # it reads commands from file 3 and answers to file 4
        script = f'exec "$@" 3<&{child_in} 4>&{child_out}'
        process = subprocess.Popen(
            ["bash", "-c", script, "bash", str(BINARY), *FLAGS, f"--user-data-dir={profile}"],
            pass_fds=(child_in, child_out),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(child_in)
        os.close(child_out)
        try:
            yield Page(to_browser, from_browser)
        finally:
            os.close(to_browser)
            os.close(from_browser)
            process.terminate()
            process.wait(timeout=10)


def table(label: str) -> tuple[str, str, str]:
    """Scripts for the table called ``label``: the element, its rows of text, its titles."""
    element = f"document.querySelector('[aria-label=\"{label}\"] table')"
    rows = f"[...{element}.tBodies[0].rows].map(row => [...row.cells].map(cell => cell.innerText))"
    return element, rows, f"[...{element}.tHead.rows[0].cells].map(cell => cell.innerText.trim())"


def column(page: Page, label: str, name: str) -> list[str]:
    """The texts of the column ``name`` of the table called ``label``."""
    _, rows, titles = table(label)
    index = page.run(titles).index(name)
    return [row[index] for row in page.run(rows)]


def check_quiet(page: Page, file: Path) -> None:
    """Fail if the page of ``file`` caused a message, or a request for anything but itself."""
    page.run("new Promise(done => setTimeout(done, 0))")
    assert messages(page) == []
    assert [url for url in requests(page) if not url.startswith("data:")] == [file.as_uri()]


def messages(page: Page) -> list[dict[str, Any]]:
    """Exceptions, console messages, and violations of the page's policy."""
    kinds = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")
    return [parameters for method, parameters in page.events if method in kinds]


def requests(page: Page) -> list[str]:
    return [e["request"]["url"] for method, e in page.events if method == "Network.requestWillBeSent"]


def contrast(foreground: str, background: str) -> float:
    """The contrast ratio of WCAG 2 between two colours rgb(...)."""

    def luminance(text: str) -> float:
        srgb = [int(part) / 255 for part in re.findall(r"\d+", text)[:3]]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in srgb]
        return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    bright, dim = sorted((luminance(foreground), luminance(background)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)
