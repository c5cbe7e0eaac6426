"""Whatever a script says, its scenes can be read, its lines fit, and nothing of it gets lost."""

from hypothesis import assume, given
from hypothesis import strategies as st

from headrace.errors import InvalidRequest
from headrace.video.captions import Caption, to_ass, to_srt, to_webvtt
from headrace.video.glyphs import drawable, plain
from headrace.video.layout import Area, Sizes, fitted
from headrace.video.parts import digest
from headrace.video.script import SCENE_CHARS_MAX, scenes_of
from headrace.video.timeline import timeline

TEXTS = st.text(max_size=600)
WORDS = st.lists(st.text(st.characters(categories=["L", "N", "P"]), min_size=1), max_size=40)


@given(TEXTS)
def test_a_script_loses_nothing_but_spaces(script: str) -> None:
    assume(script.split())
    scenes = scenes_of(script)
    assert "".join("".join(scenes).split()) == "".join(script.split())
    assert max(map(len, scenes)) <= SCENE_CHARS_MAX


@given(WORDS, st.integers(100, 2000), st.integers(60, 1000), st.integers(8, 100))
def test_what_fits_stays_within_its_area(
    words: list[str], width: int, height: int, em: int
) -> None:
    area = Area(7, 11, width, height)
    block = fitted(" ".join(words), area, Sizes(em, 8), lambda text: 0.6 * len(text))
    if block is None:
        return
    assert "".join("".join(line.text.split()) for line in block.lines) == "".join(
        "".join(words).split()
    )
    assert 8 <= block.size <= max(em, 8)
    assert all(line.width <= area.width for line in block.lines)
    assert block.panel.left >= area.left
    assert block.panel.left + block.panel.width <= area.left + area.width
    if block.lines:
        assert block.panel.top >= area.top - 1
        assert block.panel.top + block.panel.height <= area.top + area.height + 1


@given(TEXTS)
def test_what_is_drawn_has_nothing_that_the_font_has_not(text: str) -> None:
    drawn = drawable(text, str.isascii).text
    assert drawn.isascii()
    assert "\n" not in drawn
    assert all(char.isprintable() for char in drawn)


@given(TEXTS)
def test_plain_text_is_plain_already(text: str) -> None:
    assert plain(plain(text)) == plain(text)


@given(st.lists(TEXTS, min_size=1, max_size=20), st.integers(1, 60), TEXTS)
def test_scenes_follow_without_a_gap(texts: list[str], fps: int, title: str) -> None:
    try:
        cues = timeline(title, texts, fps=fps)
    except InvalidRequest:
        return
    ends = [cue.start_frame + cue.frames for cue in cues]
    assert [cue.start_frame for cue in cues] == [0, *ends[:-1]]
    assert all(cue.frames > 0 for cue in cues)


@given(st.lists(TEXTS, max_size=5))
def test_a_caption_is_one_line_in_every_format(texts: list[str]) -> None:
    captions = [Caption(number, number + 1, text) for number, text in enumerate(texts)]
    assert to_srt(captions).count(" --> ") >= len(texts)
    assert len(to_srt(captions).split("\n\n")) == max(1, len(texts))
    assert to_webvtt(captions).count("-->") == len(texts)
    assert to_ass(captions).count("\nDialogue: ") == len(texts)
    assert len(to_ass(captions).split("\n")) == len(to_ass([]).split("\n")) + len(texts)


@given(st.lists(TEXTS), st.lists(TEXTS))
def test_other_texts_have_another_digest(some: list[str], others: list[str]) -> None:
    assert (digest(some) == digest(others)) == (some == others)
