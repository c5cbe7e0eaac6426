"""A real gateway in a process of its own, and what a test wants to ask it."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support import headrace_process
from tests.support.waiting import eventually
from tests.support.wire import Response, ask, encode_request

ROOT = Path(__file__).resolve().parents[2]
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 60.0

_SAMPLE = re.compile(r"^([a-z_]+(?:\{.*\})?) (\S+)$", re.MULTILINE)

Document = dict[str, Any]


class Gateway:
    """`headrace serve --config FILE` on a free port.

    Args:
        folder: where its settings and its logs go; one folder for each gateway.
        settings: the settings file as a mapping; where it says nothing of `listen.port`,
            `log` and `data_dir`, a free port, and a JSON log and data in `folder` are taken.
        environment: variables besides those of the test's own process.
        admin_key: what to ask for the status with, where keys are set.
    """

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, Any],
        *,
        environment: Mapping[str, str] | None = None,
        admin_key: str | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.config_file = folder / "headrace.yaml"
        self.data_dir = folder / "data"
        self.log_file = folder / "headrace.log"
        self.stderr_file = folder / "stderr.txt"
        self._admin = {} if admin_key is None else {"authorization": f"Bearer {admin_key}"}
        self._environment = {
            **os.environ,
            "PYTHONPATH": headrace_process.SOURCES,
            "XDG_STATE_HOME": str(folder.resolve() / "state"),
            **(environment or {}),
        }
        self.write_settings(settings)
        self.process = self._start()
        try:
            self.url = self._wait_for_url()
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise
        self._idle_calls = 0

    def __enter__(self) -> "Gateway":
        return self

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        if kind is None:
            self.stop()
        else:
            self.kill()

    # Its life.

    def write_settings(self, settings: Mapping[str, Any]) -> None:
        """Put other settings into its file; `reload` makes it read them."""
        listen = {"port": 0, **settings.get("listen", {})}
        log = {"format": "json", "file": str(self.log_file), **settings.get("log", {})}
        # What must survive one gateway is not what the next one of the machine begins with.
        whole = {"data_dir": str(self.data_dir), **settings, "listen": listen, "log": log}
        self.config_file.write_text(json.dumps(whole, indent=1), "utf-8")  # JSON is YAML

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def reload(self) -> Document:
        """Make it read its file again; returns what its log says of it."""
        before = len(self.reloads())
        self.signal(signal.SIGHUP)
        return eventually(lambda: self.reloads()[before:])[0]

    def reloads(self) -> list[Document]:
        """What the log says of reloads so far."""
        return [line for line in self.events() if line["event"] in ("reloaded", "reload_refused")]

    def wait_for_exit(self, timeout_s: float = STOP_TIMEOUT_S) -> int:
        """Its exit code; whatever still runs after `timeout_s` is killed."""
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def stop(self) -> None:
        """End it by SIGTERM, which has to end well."""
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        assert self.wait_for_exit() == 0, self.stderr
        assert "Traceback" not in self.stderr, self.stderr
        assert self.bugs() == []

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    # What it says.

    @property
    def stderr(self) -> str:
        return self.stderr_file.read_text("utf-8", "replace")

    @property
    def log(self) -> str:
        return self.log_file.read_text("utf-8", "replace") if self.log_file.exists() else ""

    def log_lines(self) -> list[Document]:
        """Its log so far, complete lines only."""
        whole, _, _ = self.log.rpartition("\n")
        return [json.loads(line) for line in whole.splitlines()]

    def events(self) -> list[Document]:
        """What it said of itself."""
        return [line for line in self.log_lines() if "event" in line]

    def requests(self) -> list[Document]:
        """Its lines about requests."""
        return [line for line in self.log_lines() if "request_id" in line]

    def bugs(self) -> list[Document]:
        """What no one expected."""
        return [line for line in self.events() if line["event"] == "bug"]

    def status(self) -> Document:
        """`GET /admin/status`."""
        response = self.get("/admin/status", headers=self._admin)
        assert response.status == 200, response.body
        status: Document = response.json()
        return status

    def metrics(self) -> dict[str, float]:
        """`GET /metrics`, value by series as it is written there."""
        text = self.get("/metrics").body.decode()
        return {name: float(value) for name, value in _SAMPLE.findall(text)}

    def left_behind(self) -> Document:
        """What is open or under way besides the question itself; empty when all is quiet."""
        status = self.status()
        left = {
            "connections": status["connections"] - 1,
            "requests_in_flight": status["requests_in_flight"] - 1,
            "upstream_calls": status["upstream_calls"],
            "upstream_active": sum(pool["active"] for pool in status["providers"].values()),
        }
        return {name: count for name, count in left.items() if count}

    def wait_until_quiet(self, timeout_s: float = 30.0) -> None:
        """No client, no request and no upstream call is left; idle upstream connections may be."""
        eventually(lambda: not self.left_behind() or None, timeout_s)

    # What it is asked.

    def get(self, path: str, *, headers: Mapping[str, str] | None = None) -> Response:
        return ask(self.url, encode_request(path, headers=headers))

    def post(
        self,
        path: str,
        document: object = None,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Response:
        return ask(self.url, encode_request(path, document, headers=headers, body=body))

    # The inside.

    def _start(self) -> "headrace_process.HeadraceProcess | subprocess.Popen[bytes]":
        with self.stderr_file.open("wb") as stderr:
            return headrace_process.start(
                "serve",
                "--config",
                str(self.config_file),
                environment=self._environment,
                folder=self.config_file.parent,
                stderr=stderr,
            )

    def _wait_for_url(self) -> str:
        def listening() -> str:
            assert self.process.poll() is None, f"it ended: {self.stderr}"
            said = [line["url"] for line in self.events() if line["event"] == "listening"]
            return str(said[-1]) if said else ""

        url = eventually(listening, START_TIMEOUT_S)
        if url.startswith("http://"):
            eventually(lambda: ask(url, encode_request("/readyz")).status == 200, START_TIMEOUT_S)
        return url
