"""Who says the text: espeak-ng in a child process, or a provider's speech endpoint."""

import http.client
import sys
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlsplit

import msgspec

from headrace.errors import InvalidRequest
from headrace.video import speech_child
from headrace.video.faults import INSTALL, VideoFault
from headrace.video.ffmpeg import Runner

_WORDS_PER_MINUTE: Final = 165
_TIMEOUT_S: Final = 60.0
_ANSWER_BYTES_MAX: Final = 32 * 1024 * 1024
_COMPLAINT_CHARS: Final = 200


class Voice(Protocol):
    """Says texts."""

    @property
    def manner(self) -> str:
        """All that decides how it sounds; files are named by it."""
        ...

    def say(self, text: str, path: Path, runner: Runner) -> None:
        """Write an audio file of a text, in any format ffmpeg reads.

        Raises:
            VideoFault: it could not.
        """
        ...


class EspeakVoice(msgspec.Struct, frozen=True):
    """espeak-ng through espeakng-loader: offline, in a hundred languages, and robotic.

    Attributes:
        language: of the voice, such as `en` or `de`.
        words_per_minute: how fast.
    """

    language: str = "en"
    words_per_minute: int = _WORDS_PER_MINUTE

    @property
    def manner(self) -> str:
        return f"espeak {self.language} {self.words_per_minute}"

    def say(self, text: str, path: Path, runner: Runner) -> None:
        """The library runs in a child, for it keeps global state and has crashed on odd input."""
        source = path.with_suffix(".txt")
        source.write_text(text, "utf-8")
        command = [sys.executable, "-m", speech_child.__name__, str(source), str(path)]
        options = [self.language, str(self.words_per_minute)]
        try:
            runner.run([*command, *options], path.parent, name="espeak-ng")
        except VideoFault as fault:
            if fault.cause in ("cancelled", "disk_full"):
                raise
            raise VideoFault(
                "speech_failed", f"a scene could not be said ({INSTALL}): {fault.message}"
            ) from fault
        finally:
            source.unlink(missing_ok=True)


class EndpointVoice(msgspec.Struct, frozen=True):
    """A provider that speaks OpenAI's `/v1/audio/speech`.

    Attributes:
        base_url: with `/v1`.
        api_key: is sent as a bearer token.
        model: of the provider.
        voice: of the provider.
    """

    base_url: str
    api_key: str
    model: str = "gpt-4o-mini-tts"
    voice: str = "alloy"

    @property
    def manner(self) -> str:
        return f"endpoint {self.base_url} {self.model} {self.voice}"

    def __repr__(self) -> str:
        return f"EndpointVoice({self.base_url!r}, model={self.model!r}, voice={self.voice!r})"

    def say(self, text: str, path: Path, runner: Runner) -> None:
        runner.check()
        asked = {
            "model": self.model,
            "voice": self.voice,
            "input": text,
            "response_format": "wav",
        }
        try:
            status, data = self._post(msgspec.json.encode(asked))
        except (OSError, http.client.HTTPException) as error:
            raise VideoFault(
                "speech_failed", f"{self.base_url} did not say a scene: {error}"
            ) from error
        if status != http.client.OK or not data:
            told = data[:_COMPLAINT_CHARS].decode("utf-8", "replace")
            raise VideoFault(
                "speech_failed", f"{self.base_url}/audio/speech answered {status}: {told}"
            )
        path.write_bytes(data)

    def _post(self, body: bytes) -> tuple[int, bytes]:
        place = urlsplit(self.base_url)
        if place.scheme not in ("http", "https") or not place.hostname:
            raise InvalidRequest(
                f"the base URL of a voice is {self.base_url!r}; it begins with http:// or https://",
                code="video_option",
                param="voice",
            )
        secure = place.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = kind(place.hostname, place.port, timeout=_TIMEOUT_S)
        headers = {
            "content-type": "application/json",
            "authorization": f"Bearer {self.api_key}",
        }
        try:
            connection.request("POST", f"{place.path.rstrip('/')}/audio/speech", body, headers)
            answer = connection.getresponse()
            data = answer.read(_ANSWER_BYTES_MAX + 1)
        finally:
            connection.close()
        if len(data) > _ANSWER_BYTES_MAX:
            raise VideoFault("speech_failed", f"{self.base_url} sent more than 32 MB for a scene")
        return answer.status, data
