"""A browser plays what is made. Only where there is one."""

import functools
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import SimpleQueue

import pytest

from headrace import VideoCreator

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")

PAGE = """<!doctype html><title>one video</title><video id=v muted src=v.mp4></video><script>
const say = (text) => fetch("/told", {method: "POST", body: text});
v.onerror = () => say("error " + v.error.code + " " + v.error.message);
v.onended = () => {
  const canvas = document.createElement("canvas");
  canvas.width = v.videoWidth; canvas.height = v.videoHeight;
  canvas.getContext("2d").drawImage(v, 0, 0);
  const data = canvas.getContext("2d").getImageData(0, 0, v.videoWidth, v.videoHeight).data;
  let bright = 0;
  for (let at = 0; at < data.length; at += 4) bright += data[at] > 170 && data[at + 1] > 170;
  say(`played ${v.videoWidth}x${v.videoHeight} ${v.duration.toFixed(1)} bright ${bright > 60}`);
};
v.play().catch((error) => say("error " + error));
</script>"""


class Site(SimpleHTTPRequestHandler):
    """Serves a folder, and hears what the page tells."""

    told: "SimpleQueue[str]"

    def do_POST(self) -> None:
        self.told.put(self.rfile.read(int(self.headers["content-length"])).decode())
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[str, "SimpleQueue[str]"]]:
    kind = type("OneSite", (Site,), {"told": SimpleQueue()})
    handler = functools.partial(kind, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/page.html", kind.told
        server.shutdown()
        thread.join()


@pytest.mark.heavy
@pytest.mark.skipif(BROWSER is None, reason="no chromium here")
def test_a_browser_plays_it_to_the_end(
    tmp_path: Path, site: tuple[str, "SimpleQueue[str]"]
) -> None:
    address, told = site
    (tmp_path / "page.html").write_text(PAGE)
    with VideoCreator(1, width=320, height=180) as creator:
        creator.create_video("A scene to play.", output=tmp_path / "v.mp4", duration_s=1)
    options = (
        *("--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0"),
        *("--autoplay-policy=no-user-gesture-required", f"--user-data-dir={tmp_path / 'profile'}"),
    )
    browser = subprocess.Popen(
        [str(BROWSER), *options, address],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        assert told.get(timeout=60) == "played 320x180 1.0 bright true"
    finally:
        os.killpg(browser.pid, signal.SIGKILL)
        browser.wait()
