"""The files of the page: none of them could make markup, or ask another site for anything."""

import re
from pathlib import Path

import pytest

import headrace.console.page as page

WEB = Path(page.__file__).parent / "web"
FILES = sorted(WEB.iterdir())
_SINKS = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|\.srcdoc|"
    r"createContextualFragment|parseFromString|javascript:"
)
_ADDRESS = re.compile(r"https?://(?!www\.w3\.org/2000/svg|localhost)")
LINES_MAX = 400


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_file_is_small_served_and_harmless(file: Path):
    text = file.read_text("utf-8")
    assert file.suffix in (".html", ".css", ".js", ".svg")
    assert len(text.splitlines()) <= LINES_MAX
    assert not _SINKS.search(text)
    assert not _ADDRESS.search(text)


def test_scripts_import_only_what_there_is():
    names = {file.name for file in FILES}
    for file in WEB.glob("*.js"):
        wanted = re.findall(r'from "\./([^"]+)"', file.read_text("utf-8"))
        assert set(wanted) <= names


def test_the_page_has_neither_scripts_nor_styles_in_line():
    text = (WEB / "index.html").read_text("utf-8")
    assert not re.search(r"<style|\sstyle=|\son\w+=", text)
    assert re.findall(r"<script[^>]*>([^<]*)</script>", text) == [""]


def test_the_policy_lets_nothing_in_line_run():
    assert "unsafe" not in page.POLICY
    assert "default-src 'none'" in page.POLICY
    assert "frame-ancestors 'none'" in page.POLICY
