from pathlib import Path

from headrace.batches.handed.book import Book, Entry


def test_what_was_handed_over_is_known_to_who_comes_next(tmp_path: Path) -> None:
    path = tmp_path / "book"
    assert Book(path).entries() == []
    intended, made, over = (Entry(token, "p", [number]) for number, token in enumerate("abc", 1))
    for entry in (intended, made, over):
        Book(path).intend(entry)
    made.batch = "batch_1"
    Book(path).made(made)
    Book(path).over(over)
    assert Book(path).entries() == [intended, made]
    Book(path).remove()
    assert Book(path).entries() == []


def test_a_line_without_an_end_hides_none_after_it(tmp_path: Path) -> None:
    path = tmp_path / "book"
    first, second = Entry("a", "p", [1]), Entry("b", "p", [2])
    Book(path).intend(first)
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"token":"c","prov')
    Book(path).intend(second)
    assert Book(path).entries() == [first, second]


def test_bytes_that_are_no_text_hide_nothing(tmp_path: Path) -> None:
    path = tmp_path / "book"
    path.write_bytes(b'{"token":"\xff\xfe","provider":"p","numbers":[1]}\n')
    entry = Entry("b", "p", [2])
    Book(path).intend(entry)
    assert Book(path).entries() == [entry]
