"""From a script to a file, step by step; each step that was done before is passed over."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from headrace.video import sound
from headrace.video.captions import Caption, to_ass
from headrace.video.commands import (
    Clip,
    Layer,
    clip_command,
    loudness_filter,
    measure_command,
    sound_command,
    whole_command,
)
from headrace.video.faults import VideoFault
from headrace.video.ffmpeg import Runner
from headrace.video.fonts import FontShelf
from headrace.video.look import Look
from headrace.video.parts import PartsFolder, digest, needed_bytes
from headrace.video.pictures import Draughtsman, Picture, Pictures
from headrace.video.program import Ffmpeg
from headrace.video.script import checked_title, scenes_of
from headrace.video.timeline import Cue, timeline
from headrace.video.voices import Voice

# Raised when the same names would mean other files than before.
_GENERATION: Final = "1"
_SOUND_SHARE: Final = 0.1
_WHOLE_SHARE: Final = 0.05

Tell = Callable[[float], None]
"""Is told how much is done, from 0 to 1."""


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What is wanted.

    Attributes:
        title: of the first card and in the metadata; empty for none.
        script: prose, or the texts of the scenes.
        look: sizes and colours.
        duration_s: of the whole; by reading speed, or by what is said, without it.
        captions: whether there is a track of captions.
        voice: who says the text; nobody without one.
    """

    script: str | tuple[str, ...]
    title: str = ""
    look: Look = Look()
    duration_s: float | None = None
    captions: bool = True
    voice: Voice | None = None


class Tools(msgspec.Struct, frozen=True):
    """What videos are made with."""

    ffmpeg: Ffmpeg
    shelf: FontShelf
    runner: Runner


class Production:
    """One video on its way. Steps are idempotent: whoever comes after a crash makes the same.

    Args:
        wish: what is wanted.
        parts: the folder of its parts.
        tools: what it is made with.

    Raises:
        InvalidRequest: the script, the title or the look is not fit.
        VideoFault: there is no font for the script.
    """

    def __init__(self, wish: Wish, parts: PartsFolder, tools: Tools) -> None:
        wish.look.check()
        title = checked_title(wish.title)
        drawn = Draughtsman(wish.look, tools.shelf).draw_up(title, scenes_of(wish.script))
        self._wish, self._parts, self._tools = wish, parts, tools
        self._title = drawn.title.text if drawn.title else ""
        self._pictures = _all(drawn)
        self._cues: tuple[Cue, ...] | None = None
        self._clips: tuple[Clip, ...] = ()
        self.warnings = drawn.warnings
        if wish.voice is None:
            self._settle(())

    @property
    def scenes(self) -> int:
        """How many, the title card among them."""
        return len(self._pictures)

    @property
    def cues(self) -> tuple[Cue, ...]:
        """When each scene is shown; known once all has been said."""
        if self._cues is None:
            lengths = [sound.length_s(self._parts.path / name) for name in self._spoken_names()]
            self._settle(lengths)
        return self._cues or ()

    @property
    def duration_s(self) -> float:
        """How long the whole is."""
        last = self.cues[-1]
        return (last.start_frame + last.frames) / self._wish.look.fps

    @property
    def captions(self) -> tuple[Caption, ...]:
        """What is shown when, without the title."""
        fps = self._wish.look.fps
        return tuple(
            Caption(cue.start_frame / fps, (cue.start_frame + cue.frames) / fps, cue.text)
            for cue in self.cues
            if not cue.is_title
        )

    def open(self) -> None:
        """Make the folder and see whether there is room.

        Raises:
            VideoFault: there is not.
        """
        look = self._wish.look
        length_s = self.duration_s if self._wish.voice is None else 10.0 * self.scenes
        self._parts.open(needed_bytes(look.width, look.height, look.fps, length_s))

    def say(self, number: int) -> bool:
        """Have one scene said. Returns whether it had to be."""
        voice, runner = self._wish.voice, self._tools.runner
        if voice is None:
            return False
        text, folder = self._pictures[number].text, self._parts.path

        def write(unfinished: str) -> None:
            raw = folder / f"{unfinished}.raw"
            try:
                voice.say(text, raw, runner)
                self._convert(raw.name, unfinished)
            finally:
                raw.unlink(missing_ok=True)

        return self._parts.make(self._spoken_names()[number], write)

    def render(self, number: int, tell: Tell | None = None) -> bool:
        """Render one scene. Returns whether it had to be."""
        cues = self.cues
        clip = self._clip(number)
        look, ffmpeg = self._wish.look, self._tools.ffmpeg
        frames = cues[number].frames

        def told(done: int) -> None:
            if tell is not None:
                tell(min(1.0, done / frames))

        def write(unfinished: str) -> None:
            command = clip_command(ffmpeg, look, clip, unfinished)
            self._tools.runner.run(command, self._parts.path, told)

        return self._parts.make(self._clip_name(number), write)

    def assemble(self, output: Path) -> None:
        """Put the scenes together; the file appears under its name when it is whole.

        Raises:
            VideoFault: a scene is missing, or ffmpeg failed.
        """
        names = [self._clip_name(number) for number in range(self.scenes)]
        listed = "".join(
            f"file '{name}'\nduration {self._length(n)}\n" for n, name in enumerate(names)
        )
        captions = to_ass(self.captions).encode("utf-8", "replace")
        heard = self._sound() if self._wish.voice is not None else None
        output = output.absolute()
        unfinished = output.with_name(f".{output.name}.{digest(names)[:8]}.unfinished")
        command = whole_command(
            self._tools.ffmpeg,
            clips=self._parts.keep(listed.encode(), "ffconcat.txt"),
            captions=self._parts.keep(captions, "ass") if self._wish.captions else None,
            sound=heard,
            loudness=self._loudness(heard) if heard else None,
            title=self._title,
            seconds=self.duration_s,
            output=str(unfinished),
        )
        try:
            self._tools.runner.run(command, self._parts.path)
            unfinished.replace(output)
        finally:
            unfinished.unlink(missing_ok=True)

    def make(self, output: Path, tell: Tell) -> None:
        """Take every step that is left, and put the whole together.

        Args:
            output: the file.
            tell: is told how much is done.
        """
        self.open()
        told = 0.0
        if self._wish.voice is not None:
            for number in range(self.scenes):
                self.say(number)
                tell(_SOUND_SHARE * (number + 1) / self.scenes)
            told = _SOUND_SHARE
        share = (1 - told - _WHOLE_SHARE) / sum(cue.frames for cue in self.cues)
        for number, cue in enumerate(self.cues):
            self.render(number, _portion(tell, told, share * cue.frames))
            told += share * cue.frames
            tell(told)
        self.assemble(output)
        tell(1.0)

    def _convert(self, raw: str, output: str) -> None:
        try:
            command = sound_command(self._tools.ffmpeg, raw, output)
            self._tools.runner.run(command, self._parts.path)
        except VideoFault as fault:
            if fault.cause != "ffmpeg_failed":
                raise
            raise VideoFault(
                "speech_failed", f"the voice gave no sound that ffmpeg reads: {fault.message}"
            ) from fault

    def _settle(self, spoken_s: Sequence[float]) -> None:
        texts = [picture.text for picture in self._pictures]
        has_title = bool(self._title)
        self._cues = timeline(
            self._title,
            texts[1:] if has_title else texts,
            fps=self._wish.look.fps,
            spoken_s=spoken_s,
            duration_s=self._wish.duration_s,
        )

    def _spoken_names(self) -> list[str]:
        manner = self._wish.voice.manner if self._wish.voice else ""
        return [digest([_GENERATION, manner, each.text]) + ".wav" for each in self._pictures]

    def _clip(self, number: int) -> Clip:
        cue = self.cues[number]
        before = self.cues[number - 1] if number else None
        fade = round(self._wish.look.crossfade_s * self._wish.look.fps)
        fade = min(fade, cue.frames // 2, before.frames // 2) if before else 0
        return Clip(
            self._layer(number),
            self._layer(number - 1) if fade else None,
            fade,
            cue.start_frame,
            cue.frames,
        )

    def _layer(self, number: int) -> Layer:
        picture, colors = self._pictures[number], self._wish.look.colors
        texts = tuple(
            self._parts.keep(_directed(line.text, is_rtl=line.is_rtl), "line")
            for line in picture.block.lines
        )
        return Layer(picture.block, texts, self._font(picture), colors[number % len(colors)])

    def _font(self, picture: Picture) -> str:
        """The font under a name without characters that mean something to a filter."""
        name = f"font-{picture.face.digest}"
        source = picture.face.path.absolute()
        self._parts.make(
            name, lambda unfinished: (self._parts.path / unfinished).symlink_to(source)
        )
        return name

    def _clip_name(self, number: int) -> str:
        command = clip_command(self._tools.ffmpeg, self._wish.look, self._clip(number), "")
        return digest([_GENERATION, self._tools.ffmpeg.version, *command[1:]]) + ".mp4"

    def _length(self, number: int) -> str:
        return f"{self.cues[number].frames / self._wish.look.fps:.6f}"

    def _sound(self) -> str:
        spoken = [self._parts.path / name for name in self._spoken_names()]
        name = digest([*self._spoken_names(), str(self.cues)]) + ".wav"
        self._parts.make(
            name,
            lambda unfinished: sound.join(
                spoken, self.cues, self._wish.look.fps, self._parts.path / unfinished
            ),
        )
        return name

    def _loudness(self, heard: str) -> str | None:
        lines = self._tools.runner.run(measure_command(self._tools.ffmpeg, heard), self._parts.path)
        measured = sound.loudness_of(lines)
        return loudness_filter(measured) if measured else None


def _portion(tell: Tell, before: float, part: float) -> Tell:
    """What is told of a part, as a share of the whole."""
    return lambda done: tell(before + part * done)


def _all(drawn: Pictures) -> tuple[Picture, ...]:
    return (drawn.title, *drawn.scenes) if drawn.title else drawn.scenes


def _directed(text: str, *, is_rtl: bool) -> bytes:
    """A line for drawtext, which takes every paragraph to run from left to right otherwise."""
    line = f"\N{RIGHT-TO-LEFT EMBEDDING}{text}\N{POP DIRECTIONAL FORMATTING}" if is_rtl else text
    return line.encode("utf-8", "replace")
