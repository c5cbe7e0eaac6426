import os
from pathlib import Path

import pytest
from tests.support.templates import registry_of, write_prompts

from headrace import SettingsInvalid, TemplateRegistry
from headrace.prompt.templates import files
from headrace.prompt.templates.bounds import FILE_BYTES_MAX
from headrace.prompt.templates.files import stamp


def refusal(root: Path) -> str:
    with pytest.raises(SettingsInvalid) as caught:
        TemplateRegistry(root)
    return caught.value.message


def test_a_link_out_of_the_directory_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    root = write_prompts(tmp_path / "prompts", {"a.prompt": "a"})
    (root / "b.prompt").symlink_to("../secret.txt")
    assert "b.prompt: a link out of the directory" in refusal(root)


def test_a_directory_that_is_a_link_is_not_entered(tmp_path: Path) -> None:
    write_prompts(tmp_path / "other", {"x.prompt": "{{ broken"})
    root = write_prompts(tmp_path / "prompts", {"a.prompt": "a"})
    (root / "sub").symlink_to(tmp_path / "other")
    (root / "self").symlink_to(root)
    assert [each.name for each in TemplateRegistry(root).templates()] == ["a"]


def test_links_within_the_directory_are_read(tmp_path: Path) -> None:
    """As in a mounted volume, whose files are links to those of a hidden directory."""
    root = write_prompts(tmp_path, {"..2026/a.prompt": "a"})
    (root / "..data").symlink_to("..2026")
    (root / "a.prompt").symlink_to("..data/a.prompt")
    assert TemplateRegistry(root).render("a").text == "a"


def test_a_huge_file_is_refused(tmp_path: Path) -> None:
    write_prompts(tmp_path, {"huge.prompt": "x" * (FILE_BYTES_MAX + 1)})
    assert "huge.prompt: above" in refusal(tmp_path)


def test_all_files_together_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "TOTAL_BYTES_MAX", 10)
    write_prompts(tmp_path, {"a.prompt": "x" * 6, "b.prompt": "x" * 6})
    assert "all files together" in refusal(tmp_path)


def test_too_many_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "FILES_MAX", 2)
    write_prompts(tmp_path, {f"t{at}.prompt": "x" for at in range(3)})
    assert "above 2 files" in refusal(tmp_path)


def test_directories_are_not_endlessly_deep(tmp_path: Path) -> None:
    write_prompts(tmp_path, {"/".join("abcdefgh") + "/t.prompt": "x"})
    assert "levels of directories" in refusal(tmp_path)


def test_what_is_no_plain_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.prompt")
    assert "pipe.prompt: no plain file" in refusal(tmp_path)


def test_what_is_not_utf8_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "bad.prompt").write_bytes(b"fine\n\xff\n")
    assert "bad.prompt:2: not UTF-8" in refusal(tmp_path)


@pytest.mark.parametrize("name", ["a.b", "with space", "-x", "é", "__a", "0", "007", "_"])
def test_a_name_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    write_prompts(tmp_path, {f"{name}.prompt": "x"})
    assert "no name for a template" in refusal(tmp_path)


def test_a_number_at_the_top_has_no_name(tmp_path: Path) -> None:
    write_prompts(tmp_path, {"1.prompt": "x"})
    assert "no name for a template" in refusal(tmp_path)


def test_a_name_with_and_without_numbers_is_refused(tmp_path: Path) -> None:
    write_prompts(tmp_path, {"a.prompt": "x", "a/1.prompt": "y"})
    assert "a has numbers as well" in refusal(tmp_path)


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    write_prompts(tmp_path, {"README.md": "{{", ".git/x.prompt": "{{", "a.prompt.bak": "{{"})
    assert registry_of(tmp_path, a="a").render("a").text == "a"


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ("production: 7", "expected one of the numbers 1, found 7"),
        ("production: one", "found 'one'"),
        ("latest: 1", "always stands at the highest number"),
        ("1: 1", "is no label"),
        ("- production", "expected a mapping"),
        ("production: [", "labels.yaml:2"),
        ("a: &x 1\nb: *x", "aliases"),
    ],
)
def test_labels_that_make_no_sense(tmp_path: Path, labels: str, told: str) -> None:
    write_prompts(tmp_path, {"a/1.prompt": "x", "a/labels.yaml": labels})
    assert told in refusal(tmp_path)


def test_labels_beside_nothing(tmp_path: Path) -> None:
    write_prompts(tmp_path, {"a/labels.yaml": "production: 1", "labels.yaml": "beta: 1"})
    assert refusal(tmp_path).count("no numbers beside it") == 2


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    files = {f"bad{at:02}.prompt": "line\n{{ x" for at in range(30)}
    message = refusal(write_prompts(tmp_path, files))
    assert "bad00.prompt:2: a tag has no end" in message
    assert message.endswith("and 10 more")


def test_the_stamp_changes_with_every_change(tmp_path: Path) -> None:
    write_prompts(tmp_path, {"a.prompt": "a", "notes.txt": "n"})
    stamps = [stamp(tmp_path)]
    assert stamp(tmp_path) == stamps[0]
    write_prompts(tmp_path, {"notes.txt": "other"})
    assert stamp(tmp_path) == stamps[0]
    for change in ({"a.prompt": "longer"}, {"b.prompt": "b"}, {"c/labels.yaml": "x: 1"}):
        write_prompts(tmp_path, change)
        stamps.append(stamp(tmp_path))
    (tmp_path / "b.prompt").unlink()
    stamps.append(stamp(tmp_path))
    assert len(set(stamps)) == 5
