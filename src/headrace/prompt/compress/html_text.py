"""Web pages as the text they show: headings, items, links and tables stay, markup does not.

One pass with `str.find` from mark to mark: what is not closed costs no second look.
"""

import re
from html import unescape
from itertools import islice
from typing import Final

HEAD: Final = "[HTML as text]"

_DOCUMENT: Final = re.compile(
    r"\s*(?:<!--[^>]*>\s*)?<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE
)
_FRAGMENT: Final = re.compile(r"</(?:p|div|li|td|tr|a|span|h[1-6]|ul|table|script)>", re.IGNORECASE)
_FRAGMENT_TAGS_MIN: Final = 8
_LOOK_CHARS: Final = 1024
_NAME: Final = re.compile(r"/?[A-Za-z][A-Za-z0-9]*")
_HREF: Final = re.compile(r"""\bhref\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>"']+))""", re.IGNORECASE)
_ALT: Final = re.compile(r"""\balt\s*=\s*(?:"([^"]*)"|'([^']*)')""", re.IGNORECASE)
_SPACE: Final = re.compile(r"[ \t\r\n\f\xa0]+")
_SPACES: Final = re.compile(" {2,}+")
_TAG: Final = re.compile(r"<[^<>]*+>")
_LINE_ENDS: Final = re.compile(r" ?\n ?")
_BLANK_LINES: Final = re.compile(r"\n{3,}+")
_UNSEEN: Final = frozenset(("script", "style", "noscript", "svg", "template", "head", "iframe"))
_BLOCKS: Final = frozenset(
    ("address", "article", "aside", "blockquote", "body", "br", "caption", "dd", "details", "div",
     "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "header", "hr", "html",
     "legend", "main", "nav", "ol", "option", "section", "select", "summary", "table", "tbody",
     "tfoot", "thead", "tr", "ul")
)  # fmt: skip
_SPACED: Final = frozenset(("p", "h1", "h2", "h3", "h4", "h5", "h6"))
_CELLS: Final = frozenset(("td", "th"))
_TITLE: Final = re.compile(r"<title[^<>]*+>([^<]*+)", re.IGNORECASE)


def is_html(text: str) -> bool:
    """Whether `text` is a page, or a piece of one with a good many elements."""
    if text.startswith(HEAD):
        return False
    if _DOCUMENT.match(text[:_LOOK_CHARS]):
        return True
    begun = text.lstrip()
    if not begun.startswith("<") or begun.startswith("<?xml"):
        return False
    tags = islice(_FRAGMENT.finditer(text), _FRAGMENT_TAGS_MIN)
    return sum(1 for _ in tags) == _FRAGMENT_TAGS_MIN


def _unescaped(text: str) -> str:
    """`text` with its references as characters; as it is where a number in it is beyond reading."""
    try:
        return unescape(text)
    except ValueError:
        return text


def to_text(text: str) -> str:
    """What a page shows, after a line that says that it was a page."""
    title = _TITLE.search(text)
    shown = _Page(text).read()
    head = f"{HEAD} {_SPACE.sub(' ', _unescaped(title[1])).strip()}" if title else HEAD
    return f"{head.strip()}\n{shown}"


class _Page:
    """One page on its way to text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._done: list[str] = []
        self._flow: list[str] = []
        self._hrefs: list[str] = []
        self._unclosed: set[str] = set()

    def read(self) -> str:
        """All that the page shows."""
        at, text = 0, self._text
        while (start := text.find("<", at)) >= 0:
            self._say(text[at:start])
            at = self._markup(start)
        self._say(text[at:])
        self._end_flow()
        return "\n".join(self._done)

    def _say(self, text: str) -> None:
        if text:
            self._flow.append(_SPACE.sub(" ", _unescaped(text)))

    def _end_flow(self) -> None:
        """Put what has flowed so far among what is done."""
        shown = _LINE_ENDS.sub("\n", _SPACES.sub(" ", "".join(self._flow))).strip()
        if shown:
            self._done.append(_BLANK_LINES.sub("\n\n", shown))
        self._flow.clear()

    def _behind(self, mark: str, start: int) -> int:
        """The place behind the next `mark`, -1 where there is none; that is looked for once."""
        if mark in self._unclosed:
            return -1
        found = self._text.find(mark, start)
        if found < 0:
            self._unclosed.add(mark)
            return -1
        return found + len(mark)

    def _markup(self, start: int) -> int:
        """Read the markup at `start`; where it ends."""
        text = self._text
        if text.startswith("<!--", start):
            return self._literal_unless(self._behind("-->", start + 4), start)
        if text.startswith(("<!", "<?"), start):
            return self._literal_unless(self._behind(">", start), start)
        name = _NAME.match(text, start + 1)
        end = self._behind(">", start) if name is not None else -1
        if name is None or end < 0:
            return self._literal_unless(-1, start)
        return self._element(name[0].lower(), text[start:end], end)

    def _literal_unless(self, end: int, start: int) -> int:
        if end >= 0:
            return end
        self._flow.append("<")
        return start + 1

    def _element(self, name: str, tag: str, end: int) -> int:
        """Put what an element stands for; where the reading goes on."""
        if name in _UNSEEN or name == "pre":
            # Asked in this order: the search for an end tag passes over all that is in between.
            closing = None if tag.endswith("/>") else self._closing(name, end)
            if closing is None:
                return end
            if name == "pre":
                self._put_pre(self._text[end : closing[0]])
            return closing[1]
        if name.lstrip("/") == "a":
            self._link(name, tag)
        elif name == "img":
            found = _ALT.search(tag)
            self._flow.append(f" [{_unescaped(found[1] or found[2] or '')}] " if found else " ")
        else:
            self._flow.append(_sign(name))
        return end

    def _closing(self, name: str, start: int) -> tuple[int, int] | None:
        """Where the end tag of `name` begins and ends."""
        if name in self._unclosed:
            return None
        found = re.compile(rf"</{name}\b", re.IGNORECASE).search(self._text, start)
        end = self._text.find(">", found.end()) if found is not None else -1
        if found is None or end < 0:
            self._unclosed.add(name)
            return None
        return found.start(), end + 1

    def _put_pre(self, inside: str) -> None:
        self._end_flow()
        code = _unescaped(_TAG.sub("", inside)).strip("\n")
        if code.strip():
            fence = "````" if "```" in code else "```"
            self._done.append(f"{fence}\n{code}\n{fence}")

    def _link(self, name: str, tag: str) -> None:
        if name == "a":
            found = _HREF.search(tag)
            href = next(filter(None, found.groups()), "") if found else ""
            is_place = bool(href) and not href.lower().startswith(("#", "javascript:", "data:"))
            self._hrefs.append(_SPACE.sub("%20", _unescaped(href).strip()) if is_place else "")
            self._flow.append("[" if is_place else "")
        elif self._hrefs:
            href = self._hrefs.pop()
            self._flow.append(f"]({href})" if href else "")


def _sign(name: str) -> str:
    """What stands in the text for a start or end tag."""
    base = name.lstrip("/")
    if base in _BLOCKS:
        return "\n"
    if base in _SPACED:
        is_heading = base[0] == "h" and name == base
        return "\n\n" + "#" * int(base[1]) + " " if is_heading else "\n\n"
    if base == "li":
        return "\n- " if name == base else "\n"
    if base in _CELLS:
        return "" if name == base else " | "
    return ""
