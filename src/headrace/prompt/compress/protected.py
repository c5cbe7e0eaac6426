"""What no stage may touch in prose: code, quotes, addresses, placeholders.

Words are guarded by other means: white space changes no word, the table of phrases holds no
negation, modal verb or number, and what is left out as said before leaves every word somewhere.
"""

import re
from typing import Final

_SPAN: Final = re.compile(
    r"`[^`\n]*+`"
    r'|"[^"\n]{1,400}+"'
    r"|“[^”\n]{1,400}+”"
    r"|https?://[^\s<>\")\]]++"
    r"|\{\{?[^{}\n]{1,80}+\}\}?"
    r"|\$\{?\w++\}?"
    r"|%\(\w++\)\w"
    r"|<[A-Za-z_][^<>\n]{0,80}+>"
)
_SPAN_SIGN: Final = re.compile(r"[`\"“{$%<]|https?://")
_PUNCTUATION: Final = ".,;:!?()[]{}\"'`“”‘’*_"


def spans(text: str) -> list[tuple[int, int]]:
    """Where protected spans begin and end, in order, without overlaps."""
    return [match.span() for match in _SPAN.finditer(text)]


def span_texts(text: str) -> list[str]:
    """The protected spans themselves."""
    return _SPAN.findall(text) if _SPAN_SIGN.search(text) else []


def leaves_open(line: str) -> bool:
    """Whether a quote or code begins in `line` that does not end there, or ends that began before.

    Told by their number, so a sign for inches is taken for a quote: that costs a few tokens.
    """
    if line.count('"') % 2 or line.count("`") % 2:
        return True
    return line.count("“") != line.count("”")


def words(text: str) -> frozenset[str]:
    """All words and numbers of a text, in lower case: negations, names and modal verbs as well."""
    return frozenset([word.strip(_PUNCTUATION) for word in frozenset(text.lower().split())])
