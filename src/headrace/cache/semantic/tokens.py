"""A text cut into words, numbers, signs and pieces of code. Pure."""

import re
import unicodedata
from operator import itemgetter
from typing import Final

from headrace.cache.semantic.words import ENGLISH, ENGLISH_WORDS, LANGUAGES

_CODE: Final = re.compile(r"```(.*?)```|`([^`]+)`", re.DOTALL)
_QUOTE: Final = re.compile(
    r"\"([^\"]{1,200})\"|“([^”]{1,200})”|„([^“”]{1,200})[“”]|«([^»]{1,200})»"
    r"|(?<!\w)['‘]([^'’]{1,200})['’](?!\w)"
)
_GREETING: Final = re.compile(
    r"\s*(?:hi|hello|hey|dear|good (?:morning|afternoon|evening|day))(?: (?:there|all|team))?[,.!]",
    re.IGNORECASE,
)
_QUOTE_SIGNS: Final = re.compile("[\"“„«'‘]")
# Words come first, since most tokens are; what follows a word may still make it code. Everything is
# bounded, or a text made for it would be read over and over.
_TOKEN: Final = re.compile(
    r"(?P<word>[^\W\d_]+)(?![\w@(]|['.]\w|://)"
    r"|(?P<number>0[xX][0-9a-fA-F]+|\d+(?:[.,:/-]\d+)*)"
    r"|(?P<code>https?://\S{1,500}|[\w.+-]{1,64}+@[\w-]{1,64}\.[\w.]{1,64}"
    r"|[A-Za-z_]\w{0,64}+\(\)|[A-Za-z]\w{0,64}_\w{1,64}"
    r"|[A-Za-z_]\w{1,64}(?:\.[A-Za-z_]\w{1,64}){1,9}|(?<=\s)--?[A-Za-z][\w-]{0,64})"
    r"|(?P<contracted>[^\W\d_]+(?:'[^\W\d_]+)+)"
    r"|(?P<mixed>[A-Za-z]+\d\w*)"
    r"|(?P<plain>[^\W\d_]+)"
    r"|(?P<symbol>[+*/=<>^|~#&%$€£¥°]+)"
    r"|(?P<end>[.!?:;,()\n])|(?P<dash>-)|(?P<other>_+)"
)
_LATIN: Final = frozenset(("LATIN",))


class Tokens:
    """The pieces of a text in order; signs that are not known are left out.

    Attributes:
        kinds: names of the groups that found them.
        raws: as they are written.
        lowers: in lower case.
    """

    __slots__ = ("_matches", "kinds", "lowers", "raws")

    def __init__(self, text: str) -> None:
        self._matches = list(_TOKEN.finditer(text))
        self.kinds = [match.lastgroup for match in self._matches]
        self.raws = [match[0] for match in self._matches]
        self.lowers = [raw.lower() for raw in self.raws]

    def __len__(self) -> int:
        return len(self.kinds)

    def is_glued(self, at: int) -> bool:
        """Whether nothing stands between this piece and the one before it."""
        return self._matches[at - 1].end() == self._matches[at].start()

    def is_word(self, at: int) -> bool:
        """Whether there is such a piece, and it is a word."""
        return at < len(self.kinds) and self.kinds[at] in {"word", "plain"}


def normalised(text: str) -> str:
    """The text in one spelling of letters and apostrophes."""
    if text.isascii():
        return text
    return unicodedata.normalize("NFKC", text).replace("’", "'")


def without_code(text: str) -> tuple[str, list[str]]:
    """The text without what is marked as code, and that code."""
    if "`" not in text:
        return text, []
    code = [" ".join((block or span).split()) for block, span in _CODE.findall(text)]
    return _CODE.sub(" ", text), code


def without_greeting(text: str) -> str:
    """The text without `Hello,` at its beginning."""
    greeting = _GREETING.match(text)
    return text if greeting is None else text[greeting.end() :]


def quotes(text: str) -> frozenset[str]:
    """What stands in quotation marks, in lower case."""
    if _QUOTE_SIGNS.search(text) is None:
        return frozenset()
    found = ("".join(groups) for groups in _QUOTE.findall(text))
    return frozenset(" ".join(quote.lower().strip(" .,!?").split()) for quote in found)


def language(words: list[str]) -> str:
    """The language that most words speak for; empty where too few do."""
    english = len(ENGLISH_WORDS.intersection(words))
    if english > 1 and 4 * english >= len(words):
        return ENGLISH
    counts: dict[str, int] = {}
    for word in words:
        for name in LANGUAGES.get(word, ()):
            counts[name] = counts.get(name, 0) + 1
    if not counts:
        return ""
    ranked = sorted(counts.items(), key=itemgetter(1), reverse=True)
    name, most = ranked[0]
    if counts.get(ENGLISH, 0) == most:
        return ENGLISH
    # One word alone may as well be an English one that is spelt alike.
    is_clear = most > 1 and (len(ranked) == 1 or most > ranked[1][1])
    return name if is_clear else ""


def scripts(text: str) -> frozenset[str]:
    """The scripts of a text's letters, as Unicode names them."""
    if text.isascii():
        return _LATIN
    letters = {letter for letter in text if letter.isalpha()}
    return frozenset(unicodedata.name(letter, "UNKNOWN").partition(" ")[0] for letter in letters)
