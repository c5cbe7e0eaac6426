"""A form is the same file, in whatever pieces it comes."""

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from headrace.batches.upload import Upload, shown_name

BOUNDARY = "b0undary"
CONTENT = st.one_of(
    st.binary(max_size=400),
    # What looks like the end of a part.
    st.lists(
        st.sampled_from((b"\r\n--b0undary", b"--", b"\r\n", b"\r", b"\n", b"b0undary", b"x")),
        max_size=20,
    ).map(b"".join),
).filter(lambda content: b"\r\n--b0undary" not in b"\r\n" + content)


def form(content: bytes) -> bytes:
    return (
        b'--b0undary\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
        b'--b0undary\r\nContent-Disposition: form-data; name="file"; filename="a.jsonl"\r\n'
        b"Content-Type: application/octet-stream\r\n\r\n" + content + b"\r\n--b0undary--\r\n"
    )


@given(CONTENT, st.lists(st.integers(1, 60), min_size=1))
def test_a_form_is_the_same_file_in_whatever_pieces_it_comes(
    content: bytes, sizes: list[int]
) -> None:
    whole = form(content)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        upload = Upload(f"multipart/form-data; boundary={BOUNDARY}", path, 1 << 20)
        at = 0
        while at < len(whole):
            size = sizes[at % len(sizes)]
            upload.feed(whole[at : at + size])
            at += size
        upload.end()
        upload.close()
        assert path.read_bytes() == content
        assert (upload.bytes, upload.filename) == (len(content), "a.jsonl")
        assert upload.fields == {"purpose": "batch"}


@given(st.text(max_size=300))
def test_a_name_that_is_shown_is_no_path(name: str) -> None:
    shown = shown_name(name)
    assert 0 < len(shown) <= 255
    assert not set(shown) & {"/", "\\", "\x00", "\n"}
    assert shown.strip(". ")
