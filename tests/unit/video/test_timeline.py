import pytest

from headrace.errors import InvalidRequest
from headrace.video.timeline import DURATION_S_MAX, Cue, timeline


def test_scenes_follow_each_other_in_whole_frames() -> None:
    assert timeline("T", ["Yes.", "No."], fps=30) == (
        Cue("T", True, 0, 75),
        Cue("Yes.", False, 75, 60),
        Cue("No.", False, 135, 60),
    )


def test_without_a_title_there_is_no_card() -> None:
    assert [cue.is_title for cue in timeline("", ["Yes."], fps=25)] == [False]


def test_a_scene_lasts_as_long_as_it_is_said() -> None:
    cues = timeline("T", ["Yes."], fps=10, spoken_s=[1.0, 3.25])
    assert [cue.frames for cue in cues] == [14, 36]


def test_the_whole_may_be_given() -> None:
    cues = timeline("T", ["Yes.", "x" * 100], fps=30, duration_s=10)
    assert cues[-1].start_frame + cues[-1].frames == 300
    assert cues[2].frames > 2 * cues[1].frames


def test_what_is_said_is_never_cut_off() -> None:
    cues = timeline("", ["A.", "B."], fps=10, spoken_s=[1.6, 3.6], duration_s=12)
    assert [cue.frames for cue in cues] == [40, 80]
    with pytest.raises(InvalidRequest, match=r"what is said takes 6\.0 s"):
        timeline("", ["A.", "B."], fps=10, spoken_s=[1.6, 3.6], duration_s=5.9)


def test_rounding_does_not_add_up() -> None:
    cues = timeline("", ["Yes."] * 100, fps=7, duration_s=33.33)
    assert cues[-1].start_frame + cues[-1].frames == round(33.33 * 7)
    assert all(cue.frames >= 1 for cue in cues)


@pytest.mark.parametrize("duration_s", [0.0, -1.0, 0.01, DURATION_S_MAX + 1, float("nan")])
def test_a_length_that_cannot_be_is_refused(duration_s: float) -> None:
    with pytest.raises(InvalidRequest) as refused:
        timeline("T", ["Yes."], fps=30, duration_s=duration_s)
    assert refused.value.param == "duration_s"


def test_a_video_that_would_be_too_long_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="3600 are the most"):
        timeline("", ["x" * 180] * 500, fps=1)
