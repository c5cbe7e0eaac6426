"""The words of a question in an order that does not depend on how it is put. Pure.

"In Python, how do I sort?" and "How do I sort in Python?" become one order, as do "bees make honey"
and "honey made by bees", "Microsoft's CEO" and "the CEO of Microsoft", "tea or coffee" and "coffee
or tea". What still differs then is who does what to whom.
"""

from typing import Final

_FRONTED_WORDS_MAX: Final = 4


# What stands before the word that comes next. Plain numbers, for every word asks.
APART: Final = 0
"""Another word, or nothing."""
BEHIND: Final = 1
"""A word that carries meaning."""
JOINED: Final = 2
"""Such a word and then `and`, `or` or `versus`."""
OWNED: Final = 3
"""The owner of what comes next."""
AGENT: Final = 4
"""A verb and then `by`."""


class WordOrder:
    """Takes the words that carry meaning as they come.

    Attributes:
        place: what stands before the next one; whoever passes other words over sets it `APART`.
    """

    __slots__ = ("_agent", "_agent_end", "_cut", "_joined", "_owner", "_run", "_words", "place")

    def __init__(self) -> None:
        self.place: int = APART
        self._words: list[str] = []
        self._joined: list[tuple[int, int]] = []
        self._run = 0
        self._owner = 0
        self._cut = 0
        self._agent = 0
        self._agent_end = 0

    def add(self, word: str) -> None:
        """A word that carries meaning."""
        place = self.place
        if place == OWNED:
            self._words.insert(self._owner, word)
            self._owner += 1
            self._joined.clear()
            return
        self._run = self._run + 1 if place == BEHIND else 1
        self._words.append(word)
        if place == AGENT:
            self._agent_end = len(self._words)
            return
        if place == JOINED:
            self._join(len(self._words) - 1)
        self.place = BEHIND

    def owns(self, *, is_name: bool) -> None:
        """The word added last is the owner of what follows; of a name, all of its words are."""
        if self.place == BEHIND:
            self._owner = len(self._words) - (self._run if is_name else 1)
            self.place = OWNED

    def join(self) -> None:
        """`and`, `or` or `versus`: what stands before and behind may change places."""
        if self.place != OWNED:
            self.place = JOINED if self.place == BEHIND else APART

    def begin_agent(self) -> None:
        """`by` behind a verb: who does it follows."""
        if not self._agent:
            self._agent = self._agent_end = len(self._words)
            self.place = AGENT
        else:
            self.place = APART

    def cut(self, *, is_short: bool) -> None:
        """A comma or colon ends a beginning that might as well stand at the end."""
        if not self._cut and (not is_short or len(self._words) <= _FRONTED_WORDS_MAX):
            self._cut = len(self._words)

    @property
    def passive(self) -> str:
        """The verb of a passive sentence, which stands elsewhere in the active one."""
        return self._words[self._agent - 1] if self._agent else ""

    def words(self) -> tuple[str, ...]:
        """All words, in the one order."""
        words = self._words
        for first, last in self._joined:
            words[first : last + 1] = sorted(words[first : last + 1])
        if self._agent_end > self._agent:
            first, end = self._agent, self._agent_end
            return (*words[first:end], words[first - 1], *words[: first - 1], *words[end:])
        if self._cut:
            return (*words[self._cut :], *words[: self._cut])
        return tuple(words)

    def _join(self, at: int) -> None:
        if self._joined and self._joined[-1][1] == at - 1:
            self._joined[-1] = (self._joined[-1][0], at)
        else:
            self._joined.append((at - 1, at))
