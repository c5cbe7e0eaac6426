"""Scenes that are said: by espeak-ng, and by a provider."""

import threading
import wave
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.support import video

from headrace import EndpointVoice, EspeakVoice, InvalidRequest, VideoCreator, VideoFault

SMALL: Any = {"width": 160, "height": 90, "fps": 10, "preset": "ultrafast"}
SCRIPT = "The first scene is said.\n\nAnd so is the second one, with some more words in it."


def test_espeak_says_every_scene_as_loud_as_is_usual(tmp_path: Path) -> None:
    with VideoCreator(1, output_dir=tmp_path, voice=EspeakVoice(), **SMALL) as creator:
        result = creator.create_video(SCRIPT, "Speech", use_simple_bg=True)
    assert result.path is not None
    assert video.loudness_lufs(result.path) == pytest.approx(-16, abs=1.5)
    first, second = result.captions
    assert second.end_s - second.start_s > first.end_s - first.start_s > 1
    assert video.told(result.path).duration_s == pytest.approx(result.duration_s, abs=0.15)


@pytest.mark.heavy
def test_what_cannot_be_said_is_silence(tmp_path: Path) -> None:
    with VideoCreator(1, output_dir=tmp_path, voice=EspeakVoice(), **SMALL) as creator:
        result = creator.create_video(["Words.", "\N{HORIZONTAL ELLIPSIS}", "- -"])
    assert result.path is not None
    assert result.scenes == 3
    assert video.loudness_lufs(result.path) > -30


def test_without_a_voice_there_is_silence(tmp_path: Path) -> None:
    with VideoCreator(1, output_dir=tmp_path, **SMALL) as creator:
        result = creator.create_video("x", use_simple_bg=True, duration_s=1)
    assert result.path is not None
    assert video.loudness_lufs(result.path) <= -70


def test_a_language_that_espeak_has_not_is_told(tmp_path: Path) -> None:
    creator = VideoCreator(1, output_dir=tmp_path, voice=EspeakVoice("klingon?"), **SMALL)
    with creator, pytest.raises(VideoFault, match="no voice 'klingon\\?'") as raised:
        creator.create_video("x")
    assert raised.value.cause == "speech_failed"


def tone() -> bytes:
    """Half a second of a square wave."""
    file = BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(24_000)
        sound.writeframes((b"\x00\x20" * 30 + b"\x00\xe0" * 30) * 200)
    return file.getvalue()


class Speaker(BaseHTTPRequestHandler):
    """`POST /v1/audio/speech` as OpenAI has it."""

    asked: list[dict[str, Any]]
    answer: tuple[int, bytes]

    def do_POST(self) -> None:
        body = msgspec.json.decode(self.rfile.read(int(self.headers["content-length"])))
        self.asked.append({**body, "path": self.path, "key": self.headers["authorization"]})
        status, data = self.answer
        self.send_response(status)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def speaker() -> Iterator[tuple[type[Speaker], EndpointVoice]]:
    kind = type("OneSpeaker", (Speaker,), {"asked": [], "answer": (200, tone())})
    with HTTPServer(("127.0.0.1", 0), kind) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield kind, EndpointVoice(f"http://127.0.0.1:{server.server_port}/v1/", "sk-secret")
        server.shutdown()
        thread.join()


def test_a_provider_says_each_scene_once(
    speaker: tuple[type[Speaker], EndpointVoice], tmp_path: Path
) -> None:
    kind, voice = speaker
    with VideoCreator(1, output_dir=tmp_path, voice=voice, **SMALL) as creator:
        result = creator.create_video(SCRIPT, "Title", use_simple_bg=True)
    assert result.path is not None
    assert [asked["input"] for asked in kind.asked] == ["Title", *SCRIPT.split("\n\n")]
    assert kind.asked[0]["path"] == "/v1/audio/speech"
    assert kind.asked[0]["key"] == "Bearer sk-secret"
    assert kind.asked[0]["response_format"] == "wav"
    assert result.duration_s == pytest.approx(3 * 0.9, abs=0.1)
    assert video.loudness_lufs(result.path) > -25


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((429, b'{"error": "slow down"}'), "answered 429.*slow down"),
        ((200, b""), "answered 200"),
        ((200, b"no sound at all"), "no sound that ffmpeg reads"),
    ],
)
def test_a_provider_that_refuses_or_sends_no_sound_is_told(
    speaker: tuple[type[Speaker], EndpointVoice],
    tmp_path: Path,
    answer: tuple[int, bytes],
    words: str,
) -> None:
    kind, voice = speaker
    kind.answer = answer
    creator = VideoCreator(1, output_dir=tmp_path, voice=voice, **SMALL)
    with creator, pytest.raises(VideoFault, match=words) as raised:
        creator.create_video("x")
    assert raised.value.cause == "speech_failed"
    assert "sk-secret" not in str(raised.value)
    assert "sk-secret" not in repr(voice)


def test_a_provider_that_is_away_is_told(tmp_path: Path) -> None:
    voice = EndpointVoice("http://127.0.0.1:9/v1", "k")
    creator = VideoCreator(1, output_dir=tmp_path, voice=voice, **SMALL)
    with creator, pytest.raises(VideoFault, match=r"127\.0\.0\.1:9") as raised:
        creator.create_video("x")
    assert raised.value.cause == "speech_failed"


def test_a_base_url_that_is_none_is_told(tmp_path: Path) -> None:
    voice = EndpointVoice("file:///etc/passwd", "k")
    creator = VideoCreator(1, output_dir=tmp_path, voice=voice, **SMALL)
    with creator, pytest.raises(InvalidRequest, match="begins with http"):
        creator.create_video("x")
