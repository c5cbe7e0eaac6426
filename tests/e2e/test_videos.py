"""From a topic to a video over HTTP: a gateway, its own worker, a simulated provider, ffmpeg."""

import json
import os
import signal
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from tests.support import video
from tests.support.gateway import Gateway
from tests.support.waiting import eventually

from headrace.sim.options import SimOptions
from headrace.sim.thread import running

KEY: Final = "hr-video-key"
SMALL: Final = {"width": 160, "height": 90, "fps": 10, "preset": "ultrafast"}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("videos")
    with running(SimOptions(seed=4)) as sim:
        provider = {"dialect": "openai", "base_url": f"{sim.url}/v1", "api_key": "sk-sim"}
        settings = {
            "providers": {"openai": provider},
            "models": {"writer": {"targets": ["openai/gpt-4o-mini"]}},
            "keys": [
                {"key": KEY, "tenant": "app"},
                {"key": "hr-other-key", "tenant": "other"},
                {"key": "hr-admin-key", "tenant": "operations", "admin": True},
            ],
            "jobs": {"lease_s": 3.0, "poll_ms": 50, "retry_s": 0.05},
        }
        with Gateway(folder, settings, admin_key="hr-admin-key") as served:
            yield served


def ask(gateway: Gateway, method: str, path: str, document: Any = None, key: str = KEY) -> Any:
    """The answer: decoded where it is JSON, with its status where it is a refusal."""
    body = None if document is None else json.dumps(document).encode()
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    request = urllib.request.Request(gateway.url + path, body, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            data = answer.read()
            return json.loads(data) if "json" in answer.headers["content-type"] else data
    except urllib.error.HTTPError as error:
        return {"status_code": error.code, **json.loads(error.read())}


def ended(gateway: Gateway, task_id: str) -> Any:
    """A task once it is over."""

    def look() -> Any:
        task = ask(gateway, "GET", f"/api/task/{task_id}")
        return task if task["status"] not in ("pending", "running") else None

    return eventually(look, 120)


@pytest.mark.heavy
def test_a_topic_becomes_a_script_and_a_video(gateway: Gateway, tmp_path: Path) -> None:
    wanted = {"topic": "how a water mill works", "video": {**SMALL, "duration_s": 2}}
    task = ask(gateway, "POST", "/api/create", {**wanted, "model": "writer", "scenes": 2})
    assert task["task_id"].startswith("job_")
    assert task["status"] in ("pending", "running")
    done = ended(gateway, task["task_id"])
    assert done["status"] == "completed", done
    result = done["result"]
    assert result["title"]
    assert result["scenes"]
    assert result["video"]["duration_s"] == 2.0
    found = {name.rpartition("/")[2]: name for name in done["files"]}
    assert set(found) == {"video.mp4", "captions.vtt", "captions.srt"}
    path = tmp_path / "fetched.mp4"
    path.write_bytes(ask(gateway, "GET", found["video.mp4"]))
    assert path.stat().st_size == result["video"]["size_bytes"]
    assert video.frame_times(path) == list(range(20))
    assert b"WEBVTT" in ask(gateway, "GET", found["captions.vtt"])
    stranger = ask(gateway, "GET", found["video.mp4"], key="hr-other-key")
    assert stranger["status_code"] == 404


def test_what_a_content_job_gave_becomes_a_video_later(gateway: Gateway) -> None:
    first = {"topic": "mills", "model": "writer", "scenes": 1}
    written = ended(gateway, ask(gateway, "POST", "/api/create", first)["task_id"])
    assert "video" not in written["result"]
    options = {**SMALL, "use_simple_bg": True, "duration_s": 1}
    job = {"kind": "video", "input": {"content": written["result"], **options}}
    done = ended(gateway, ask(gateway, "POST", "/v1/jobs", job)["id"])
    assert done["status"] == "completed", done
    assert done["result"]["title"] == written["result"]["title"]


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"script": ""}, "the script is empty"),
        ({"script": "x", "width": 3}, "width is 3"),
        ({"script": "x", "output": "/etc/passwd"}, "unknown field `output`"),
        ({"topic": "", "model": "writer"}, "input.topic"),
        ({"topic": "x", "script": "y"}, "one of"),
    ],
)
def test_what_cannot_be_is_refused_at_once(
    gateway: Gateway, document: dict[str, Any], words: str
) -> None:
    refused = ask(gateway, "POST", "/api/create", document)
    assert refused["status_code"] == 400
    assert words in refused["error"]["message"]


def children_in(folder: Path) -> list[int]:
    """The ffmpegs that work in the parts of one job."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            where = str((place / "cwd").readlink())
        except OSError:
            continue
        if where.startswith(str(folder)):
            found.append(int(place.name))
    return found


def worker_of(folder: Path, job_id: str) -> int | None:
    """Who has started an ffmpeg for a job."""
    for pid in children_in(folder):
        try:
            if in_job(pid, job_id):
                stat = Path(f"/proc/{pid}/stat").read_text()
                return int(stat.rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended meanwhile
    return None


def test_cancelling_a_task_ends_its_ffmpeg(gateway: Gateway) -> None:
    wanted = {"script": "Long.", "duration_s": 900, "preset": "slower"}
    task_id = ask(gateway, "POST", "/api/create", wanted)["task_id"]
    folder = gateway.data_dir.resolve()
    eventually(lambda: [pid for pid in children_in(folder) if in_job(pid, task_id)], 60)
    ask(gateway, "DELETE", f"/v1/jobs/{task_id}")
    assert ended(gateway, task_id)["status"] == "cancelled"
    eventually(lambda: not [pid for pid in children_in(folder) if in_job(pid, task_id)])
    assert ask(gateway, "GET", f"/api/task/{task_id}")["files"] == []


def in_job(pid: int, job_id: str) -> bool:
    try:
        return job_id in str(Path(f"/proc/{pid}/cwd").readlink())
    except OSError:
        return False


@pytest.mark.heavy
def test_a_killed_worker_renders_no_scene_twice(gateway: Gateway, tmp_path: Path) -> None:
    """kill -9 of the worker between two scenes; the next one goes on."""
    scenes = [f"Scene {number} of a video." for number in range(6)]
    wanted = {"script": scenes, "width": 854, "height": 480}
    task_id = ask(gateway, "POST", "/api/create", wanted)["task_id"]
    folder = gateway.data_dir.resolve()

    def finished() -> dict[str, int]:
        return {
            path.name: path.stat().st_mtime_ns
            for path in folder.rglob(f"*{task_id}*/**/.parts/*.mp4")
            if "unfinished" not in path.name
        }

    eventually(finished, 90)
    worker = eventually(lambda: worker_of(folder, task_id), 60)
    assert worker is not None
    os.kill(worker, signal.SIGKILL)
    before = finished()
    seen: dict[str, int] = {}

    def look() -> Any:
        seen.update(finished())
        task = ask(gateway, "GET", f"/api/task/{task_id}")
        return task if task["status"] not in ("pending", "running") else None

    done = eventually(look, 120)
    assert done["status"] == "completed", done
    assert before.items() <= seen.items(), "what was finished was not made again"
    path = tmp_path / "fetched.mp4"
    path.write_bytes(ask(gateway, "GET", f"/v1/jobs/{task_id}/files/video.mp4"))
    assert video.told(path).duration_s == pytest.approx(done["result"]["duration_s"], abs=0.1)
