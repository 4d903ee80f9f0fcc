"""A headless Chromium with one page, driven over its DevTools protocol: what it asks for and complains of is kept."""

import base64
import contextlib
import itertools
import json
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

from websockets.sync.client import connect

from needs import require_tool

NAMES = ("chromium", "chromium-browser", "google-chrome")
HARMLESS = "cdn.tailwindcss.com should not be used in production"


class Page:
    """One page. `requests` are addresses asked for other than files and data, `complaints` errors of the console."""

    def __init__(self, folder: Path, *, width: int = 1500, height: int = 1000):
        profile = folder / "chromium"
        self._process = subprocess.Popen(
            [
                require_tool(*NAMES, package="chromium"),
                *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
                *("--disable-background-networking", "--disable-component-update", "--remote-debugging-port=0"),
                *(f"--user-data-dir={profile}", f"--window-size={width},{height}", "about:blank"),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        port = self._wait_for(lambda: (profile / "DevToolsActivePort").read_text().splitlines()[0])
        targets = self._wait_for(lambda: json.load(urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list")))
        address = next(target for target in targets if target["type"] == "page")["webSocketDebuggerUrl"]
        self._open = contextlib.ExitStack()
        self._socket = self._open.enter_context(connect(address, max_size=None, proxy=None))
        self._numbers = itertools.count(1)
        self.requests: list[str] = []
        self.complaints: list[str] = []
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def __enter__(self) -> "Page":
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()
        self._process.terminate()
        self._process.wait(timeout=20)

    def _wait_for(self, ask: Any, *, timeout_s: float = 30) -> Any:
        end_s = time.monotonic() + timeout_s
        while True:
            try:
                return ask()
            except (OSError, IndexError):
                if time.monotonic() > end_s or self._process.poll() is not None:
                    raise
                time.sleep(0.05)

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Call a method of the protocol and return its answer."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            message = json.loads(self._socket.recv(timeout=60))
            if message.get("id") == number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                return message["result"]
            self._note(message)

    def _note(self, message: dict[str, Any]) -> None:
        params = message.get("params", {})
        if message.get("method") == "Network.requestWillBeSent":
            url = params["request"]["url"]
            if not url.startswith(("file:", "data:", "blob:", "about:")):
                self.requests.append(url)
        elif message.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(str(params["exceptionDetails"]))
        elif message.get("method") == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            text = " ".join(str(item.get("value", item.get("description"))) for item in params["args"])
            if HARMLESS not in text:
                self.complaints.append(text)
        elif message.get("method") == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.complaints.append(params["entry"]["text"])

    def open(self, path: Path) -> float:
        """Open a file and return the seconds until it was loaded and drawn."""
        begun_s = time.monotonic()
        self.call("Page.navigate", url=path.resolve().as_uri())
        self.until(f"location.href === {json.dumps(path.resolve().as_uri())} && document.readyState === 'complete'")
        self.value("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))")
        return time.monotonic() - begun_s

    def value(self, expression: str, *, frame: str | None = None) -> Any:
        """Return the value of an expression in the page, or in one of its frames."""
        where = {}
        if frame is not None:
            world = self.call("Page.createIsolatedWorld", frameId=frame)
            where = {"contextId": world["executionContextId"]}
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True, **where)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def until(self, expression: str, *, frame: str | None = None, timeout_s: float = 30) -> None:
        """Wait until an expression holds."""
        end_s = time.monotonic() + timeout_s
        while not self.value(f"Boolean({expression})", frame=frame):
            if time.monotonic() > end_s:
                raise TimeoutError(expression)
            time.sleep(0.02)

    def inner_frame(self) -> str:
        """Return the first frame within the page."""
        end_s = time.monotonic() + 30
        while time.monotonic() < end_s:
            tree = self.call("Page.getFrameTree")["frameTree"]
            if children := tree.get("childFrames"):
                return children[0]["frame"]["id"]
            time.sleep(0.05)
        raise TimeoutError("no frame within the page")

    def show_table(self, name: str) -> str:
        """Show a table of a report of Snakemake's that is open, wait until it is drawn, and return its frame."""
        path = f"Object.keys(results).find(path => path.endsWith('/{name}.html'))"
        self.value(f"app.setView({{content: 'html', contentPath: results[{path}].data_uri, resultPath: {path}}})")
        frame = self.inner_frame()
        self.until("document.getElementById('count')?.value", frame=frame)
        return frame

    def screenshot(self, path: Path) -> None:
        """Write what the page shows as PNG."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))
