from headrace.video.captions import Caption, to_ass, to_srt, to_webvtt

CAPTIONS = (Caption(0.0, 2.5, "One\nline."), Caption(2.5, 3661.0074, "<b>&amp;</b> {x} a --> b"))


def test_subrip() -> None:
    assert to_srt(CAPTIONS) == (
        "1\n00:00:00,000 --> 00:00:02,500\nOne line.\n\n"
        "2\n00:00:02,500 --> 01:01:01,007\n<b>&amp;</b> {x} a --> b\n"
    )


def test_webvtt_escapes_what_would_be_a_tag() -> None:
    assert to_webvtt(CAPTIONS) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:02.500\nOne line.\n\n"
        "00:00:02.500 --> 01:01:01.007\n&lt;b&gt;&amp;amp;&lt;/b&gt; {x} a --&gt; b\n"
    )


def test_an_empty_text_does_not_end_its_caption() -> None:
    assert to_srt([Caption(0, 1, "")]) == "1\n00:00:00,000 --> 00:00:01,000\n\u00a0\n"


def test_commands_of_the_track_are_parted() -> None:
    joiner = "\N{WORD JOINER}"
    told = to_ass([Caption(0, 1.239, r"{\b1} C:\new \N {x}")]).splitlines()[-1]
    assert told == (
        rf"Dialogue: 0,0:00:00.00,0:00:01.23,Default,,0,0,0,,{{{joiner}\b1}} C:\{joiner}new "
        rf"\{joiner}N {{x}}"
    )
