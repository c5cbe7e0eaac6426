from headrace.video.progress import ProgressReader


def test_frames_are_read_across_the_cuts_of_a_pipe() -> None:
    reader = ProgressReader()
    for part in (
        b"fra",
        b"me=12\nfps=30.0\nstream_0_0_q=-1.0\nframe= 3",
        b"4\nprogress=continue\n",
    ):
        reader.feed(part)
    assert reader.frames == 34
    assert list(reader.complaints) == []


def test_what_is_no_progress_is_a_complaint() -> None:
    reader = ProgressReader()
    reader.feed(b"[drawtext] x=1 failed\nframe=N/A\nNo space left")
    reader.end()
    assert list(reader.complaints) == ["[drawtext] x=1 failed", "No space left"]
    assert reader.frames == 0


def test_endless_complaints_are_bounded() -> None:
    reader = ProgressReader()
    for number in range(1000):
        reader.feed(b"%d %s\n" % (number, b"x" * 10_000))
    reader.feed(b"y" * 1_000_000)
    assert len(reader.complaints) == 40
    assert max(map(len, reader.complaints)) <= 400
    assert len(reader._rest) < 10_000
