"""Videos as players see them: streams, times, and the pixels of frames."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support import video
from tests.support.video import Frame

from headrace import VideoCreator, VideoResult
from headrace.video.fonts import FontShelf, packaged_fonts
from headrace.video.layout import MARGIN_SHARE

WIDTH, HEIGHT, FPS = 320, 180, 15
META = r"""%{pts} 50% 'a' "b" \n C:\new [x];, {y} <b>&amp;</b> $(id)"""
RTL = "שלום עולם."
needs_hebrew = pytest.mark.skipif(
    not FontShelf().suited(RTL).has(RTL[0]), reason="no font here has Hebrew (Debian: fonts-dejavu)"
)

Make = Callable[..., VideoResult]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Makes one small video."""

    def made(script: str | list[str], title: str = "", **options: object) -> VideoResult:
        simple = options.pop("use_simple_bg", True)
        duration_s = options.pop("duration_s", 2)
        with VideoCreator(
            1, output_dir=tmp_path, width=WIDTH, height=HEIGHT, fps=FPS, **options
        ) as creator:
            return creator.create_video(script, title, use_simple_bg=simple, duration_s=duration_s)

    return made


def shot(result: VideoResult, at_s: float) -> Frame:
    assert result.path is not None
    return video.frame(result.path, at_s, WIDTH, HEIGHT)


def assert_readable(frame: Frame) -> None:
    """Letters are there, and none at the margins, where they would be cut off."""
    bright = frame.bright()
    assert len(bright) > 60
    left, top = round(WIDTH * MARGIN_SHARE), round(HEIGHT * MARGIN_SHARE)
    assert all(left <= x < WIDTH - left and top <= y < HEIGHT - top for x, y in bright)


@pytest.mark.parametrize("simple", [True, False])
def test_a_video_has_what_players_want(make: Make, simple: bool) -> None:
    result = make("A headrace brings water to the mill.", "Water", use_simple_bg=simple)
    assert result.path is not None
    told = video.told(result.path)
    picture, sound, captions = told.streams
    assert told.duration_s == pytest.approx(2, abs=0.05)
    assert "h264" in picture
    assert "yuv420p" in picture
    assert f"{WIDTH}x{HEIGHT}" in picture
    assert "15 fps" in picture
    assert "aac" in sound
    assert "stereo" in sound
    assert "mov_text" in captions
    assert video.captions(result.path) == ["A headrace brings water to the mill."]
    assert video.frame_times(result.path) == list(range(2 * FPS))
    data = result.path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat"), "players want the index first"
    assert (result.scenes, result.width, result.height) == (2, WIDTH, HEIGHT)
    assert result.duration_s == 2
    assert result.size_bytes == len(data)
    assert result.warnings == ()
    assert [path.name for path in result.path.parent.iterdir()] == [result.path.name]


@pytest.mark.parametrize("simple", [True, False])
def test_every_scene_has_its_text_on_a_background(make: Make, simple: bool) -> None:
    result = make(
        ["First of the scenes.", "Second of the scenes."], "A title", use_simple_bg=simple
    )
    for at_s in (0.0, 1.2, 1.9):
        frame = shot(result, at_s)
        assert_readable(frame)
        assert max(frame.pixel(4, 4)) > 20, "the background is not black"
    assert shot(result, 0.0).rgb != shot(result, 1.2).rgb != shot(result, 1.9).rgb


def test_a_gradient_moves_and_goes_on_over_the_seam_of_two_scenes(make: Make) -> None:
    result = make(["One.", "Two."], use_simple_bg=False, duration_s=4, crossfade_s=0)
    before, after, later = (shot(result, at_s).pixel(300, 20) for at_s in (1.9, 2.0, 3.9))
    assert before != later
    assert all(abs(a - b) <= 6 for a, b in zip(before, after, strict=True))


def test_scenes_go_over_into_each_other(make: Make) -> None:
    result = make(["One.", "Two."], duration_s=4, crossfade_s=1.0)
    first, middle, last = (shot(result, at_s).pixel(4, 4) for at_s in (1.5, 2.5, 3.5))
    assert first != last
    for before, between, after in zip(first, middle, last, strict=True):
        assert abs(between - (before + after) / 2) <= 5


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("word " * 36, id="as much as a scene takes"),
        pytest.param("W" * 180, id="no space anywhere"),
        pytest.param("gjpqy ÄÅÉ " * 10, id="above and below the line"),
        pytest.param(META, id="commands of others"),
        pytest.param(RTL * 10, id="right to left", marks=needs_hebrew),
        pytest.param("i", id="one letter"),
    ],
)
def test_no_text_is_cut_off(make: Make, text: str) -> None:
    result = make(text)
    frame = shot(result, 1.0)
    if text == "i":
        assert 5 < len(frame.bright()) < 100
    else:
        assert_readable(frame)


def test_commands_of_ffmpeg_and_html_are_text(make: Make) -> None:
    result = make(META, META)
    assert result.path is not None
    assert [c.replace("\N{WORD JOINER}", "") for c in video.captions(result.path)] == [META]
    assert f"title           : {META}" in video.told(result.path).text
    assert result.captions[0].text == META
    plain = make(META.replace("%{pts}", "0.000"))
    assert shot(result, 1.9).rgb != shot(plain, 1.9).rgb, "%{pts} was not replaced"


@pytest.mark.heavy
def test_emoji_are_named_and_told(make: Make) -> None:
    packaged = packaged_fonts()[0]  # others of the machine may have them
    result = make("Up we go \N{ROCKET}", font=packaged)
    assert_readable(shot(result, 1.0))
    assert "U+1F680 ROCKET" in result.warnings[0]
    same = make("Up we go [rocket]", font=packaged)
    assert shot(result, 1.0).rgb == shot(same, 1.0).rgb
    assert result.captions[0].text == "Up we go \N{ROCKET}"


@needs_hebrew
def test_right_to_left_runs_from_right_to_left(make: Make) -> None:
    """The full stop of a Hebrew sentence is at its left end."""
    bright = shot(make("אאא."), 1.0).bright()
    rows = [y for _, y in bright]
    low = {x for x, y in bright if y == max(rows)}
    assert min(x for x, _ in bright) in {x + d for x in low for d in (-1, 0, 1)}


def test_the_same_script_makes_the_same_pictures(make: Make) -> None:
    first, second = make("Same."), make("Same.")
    assert shot(first, 1.0) == shot(second, 1.0)
    assert first == second


@pytest.mark.heavy
def test_odd_lengths_and_sizes_are_kept(make: Make) -> None:
    result = make([f"Scene {number}." for number in range(7)], duration_s=3.3)
    assert result.path is not None
    assert video.frame_times(result.path) == list(range(round(3.3 * FPS)))
    assert video.told(result.path).duration_s == pytest.approx(3.3, abs=0.1)


def test_without_captions_there_is_no_track(make: Make) -> None:
    result = make("One.", captions=False)
    assert result.path is not None
    assert len(video.told(result.path).streams) == 2
    assert "One." in result.srt
