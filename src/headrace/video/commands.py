"""The arguments ffmpeg is given. Texts go in as files, so nothing in them can be a command."""

from typing import Final

import msgspec

from headrace.video.layout import Block
from headrace.video.look import Look
from headrace.video.program import Ffmpeg

# EBU R 128 wants -23 LUFS for broadcasting; what is heard on phones and laptops wants more.
LOUDNESS_LUFS: Final = -16.0
_LOUDNORM: Final = f"aformat=channel_layouts=stereo,loudnorm=I={LOUDNESS_LUFS:g}:TP=-1.5:LRA=11"
AUDIO_RATE_HZ: Final = 48_000
_BASELINE_EM: Final = 1.08
_PANEL_OPACITY: Final = 0.45
_GRADIENT_SCALE: Final = 1.8
_WANDER: Final = (
    "(iw-ow)*(0.5+0.5*sin((t+{offset})*0.35))",
    "(ih-oh)*(0.5+0.5*cos((t+{offset})*0.27))",
)


class Layer(msgspec.Struct, frozen=True):
    """What is seen of one scene, as names of files in the working directory.

    Attributes:
        block: where the lines stand.
        texts: the file of each line.
        font: the file of the font.
        color: of a flat background, as #rrggbb.
    """

    block: Block
    texts: tuple[str, ...]
    font: str
    color: str


class Clip(msgspec.Struct, frozen=True):
    """One scene to render: what is seen, and what it comes out of.

    Attributes:
        layer: the scene.
        before: the scene it goes over from, if any.
        fade_frames: how long that takes.
        start_frame: where it stands in the whole; a moving background goes on from there.
        frames: how long it is.
    """

    layer: Layer
    before: Layer | None
    fade_frames: int
    start_frame: int
    frames: int


def clip_command(ffmpeg: Ffmpeg, look: Look, clip: Clip, output: str) -> list[str]:
    """Render one scene without sound."""
    return [
        *_opening(ffmpeg),
        *("-filter_complex_threads", str(look.threads)),
        *("-filter_complex", _graph(ffmpeg, look, clip), "-map", "[v]"),
        *("-frames:v", str(clip.frames), "-r", str(look.fps), "-an"),
        *("-c:v", "libx264", "-preset", look.preset, "-crf", str(look.crf)),
        *("-pix_fmt", "yuv420p", "-g", str(2 * look.fps), "-threads", str(look.threads)),
        *("-video_track_timescale", str(look.fps * 512)),
        *("-map_metadata", "-1", "-fflags", "+bitexact", "-f", "mp4", output),
    ]


def measure_command(ffmpeg: Ffmpeg, sound: str) -> list[str]:
    """Measure how loud a file is: the first of two passes, which ends with JSON."""
    opening = [part if part != "error" else "info" for part in _opening(ffmpeg)]
    return [*opening, "-i", sound, "-af", f"{_LOUDNORM}:print_format=json", "-f", "null", "-"]


def loudness_filter(measured: dict[str, float]) -> str:
    """The second pass: one gain for the whole, so that quiet parts stay quiet."""
    named = (("I", "input_i"), ("TP", "input_tp"), ("LRA", "input_lra"), ("thresh", "input_thresh"))
    parts = [f"measured_{name}={measured[key]:g}" for name, key in named]
    return ":".join([_LOUDNORM, *parts, f"offset={measured['target_offset']:g}", "linear=true"])


def sound_command(ffmpeg: Ffmpeg, source: str, output: str) -> list[str]:
    """Turn whatever a voice gave into mono PCM."""
    return [
        *_opening(ffmpeg),
        *("-i", source, "-vn", "-ac", "1", "-ar", str(AUDIO_RATE_HZ)),
        *("-c:a", "pcm_s16le", "-map_metadata", "-1", "-fflags", "+bitexact", "-f", "wav", output),
    ]


def whole_command(
    ffmpeg: Ffmpeg,
    *,
    clips: str,
    captions: str | None,
    sound: str | None,
    loudness: str | None,
    title: str,
    seconds: float,
    output: str,
) -> list[str]:
    """Put the scenes together: pictures are copied, sound is encoded, captions are a track.

    Args:
        ffmpeg: which one.
        clips: a list for the concat demuxer.
        captions: a subtitle file; without one there is no such track.
        sound: what is heard; silence without one, for some players want a sound track.
        loudness: what `loudness_filter` gave.
        title: goes into the metadata.
        seconds: how long the whole is.
        output: the file.
    """
    silence = ["-f", "lavfi", "-i", f"anullsrc=r={AUDIO_RATE_HZ}:cl=stereo"]
    shaped = ["-af", loudness] if loudness else []
    track = ["-map", "2:s", "-c:s", "mov_text", "-disposition:s:0", "0"] if captions else []
    return [
        *_opening(ffmpeg),
        *("-f", "concat", "-i", clips),
        *(("-i", sound) if sound else silence),
        *(("-i", captions) if captions else ()),
        *("-map", "0:v", "-c:v", "copy", "-map", "1:a", *shaped),
        *("-c:a", "aac", "-b:a", "128k", "-ar", str(AUDIO_RATE_HZ), "-ac", "2", *track),
        *("-t", f"{seconds:.6f}", "-map_metadata", "-1", "-fflags", "+bitexact"),
        *(("-metadata", f"title={title}") if title else ()),
        *("-movflags", "+faststart", "-f", "mp4", output),
    ]


def _opening(ffmpeg: Ffmpeg) -> list[str]:
    quiet = ["-hide_banner", "-nostdin", "-nostats", "-loglevel", "error"]
    return [ffmpeg.path, *quiet, "-progress", "pipe:1", "-stats_period", "0.25", "-y"]


def _graph(ffmpeg: Ffmpeg, look: Look, clip: Clip) -> str:
    start, fade = clip.start_frame, clip.fade_frames
    if clip.before is None or not fade:
        return _drawn(ffmpeg, look, clip.layer, start, clip.frames, "v")
    # xfade works in 4:4:4 only: what is not faded goes around it (benchmarks.video.drawing).
    parts = (
        _drawn(ffmpeg, look, clip.before, start, fade, "a"),
        _drawn(ffmpeg, look, clip.layer, start, fade, "b"),
        _drawn(ffmpeg, look, clip.layer, start + fade, clip.frames - fade, "c"),
        f"[a][b]xfade=transition=fade:duration={fade / look.fps:.6f}:offset=0,format=yuv420p[ab]",
        "[ab][c]concat=n=2[v]",
    )
    return ";".join(parts)


def _drawn(ffmpeg: Ffmpeg, look: Look, layer: Layer, start: int, frames: int, name: str) -> str:
    """A scene from one frame on, under a name: the text is drawn once and laid over."""
    panel = layer.block.panel
    left, top = panel.left // 2 * 2, panel.top // 2 * 2  # colours are of two by two pixels
    over = f"[{name}0][{name}1]overlay=x={left}:y={top}:format=yuv420"
    text = _panel(ffmpeg, layer, look.fps)
    if look.background == "flat":
        # Nothing moves: one frame is made, and shown again and again.
        return (
            f"{_flat(look, layer)},trim=end_frame=1[{name}0];{text},trim=end_frame=1[{name}1];"
            f"{over},{_held(look, frames)}[{name}]"
        )
    return (
        f"{_gradient(look, start, frames)}[{name}0];{text},{_held(look, frames)}[{name}1];"
        f"{over}[{name}]"
    )


def _flat(look: Look, layer: Layer) -> str:
    size = f"{look.width}x{look.height}"
    return f"color=c=0x{layer.color[1:]}:s={size}:r={look.fps},format=yuv420p"


def _held(look: Look, frames: int) -> str:
    """One frame for as long as is wanted."""
    loop = "trim=end_frame=1,loop=loop=-1:size=1:start=0"
    return f"{loop},setpts=N/({look.fps}*TB),trim=end_frame={frames}"


def _gradient(look: Look, start: int, frames: int) -> str:
    """A gradient drawn once, larger than the frame, which then wanders over it."""
    width, height = (round(each * _GRADIENT_SCALE / 2) * 2 for each in (look.width, look.height))
    shades = look.colors[:3] if len(look.colors) > 1 else (look.colors[0], "#000000")
    colors = ":".join(f"c{at}=0x{shade[1:]}" for at, shade in enumerate(shades))
    x, y = (part.format(offset=f"{start / look.fps:.6f}") for part in _WANDER)
    return (
        f"gradients=s={width}x{height}:r={look.fps}:n={len(shades)}:{colors}:x0=0:y0=0"
        f":x1={width - 1}:y1={height - 1}:seed=1:speed=0.00001,format=yuv420p"
        f",{_held(look, frames)},"
        f"crop=w={look.width}:h={look.height}:x='{x}':y='{y}'"
    )


def _panel(ffmpeg: Ffmpeg, layer: Layer, fps: int) -> str:
    """The lines on a dark ground that lets the background through."""
    panel, size = layer.block.panel, layer.block.size
    width, height = panel.width // 2 * 2, panel.height // 2 * 2
    drawn = [f"color=c=black@{_PANEL_OPACITY}:s={width}x{height}:r={fps},format=yuva420p"]
    for line, text in zip(layer.block.lines, layer.texts, strict=True):
        top = line.top - panel.top
        y = top + round(size * _BASELINE_EM) if ffmpeg.has_baseline else top
        align = ":y_align=baseline" if ffmpeg.has_baseline else ""
        drawn.append(
            f"drawtext=fontfile={layer.font}:textfile={text}:expansion=none:fontsize={size}"
            f":fontcolor=white:x=(w-text_w)/2:y={y}{align}"
        )
    return ",".join(drawn)
