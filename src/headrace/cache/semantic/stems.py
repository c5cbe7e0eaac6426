"""Words without their endings, so that forms of one word compare as equal. Pure.

It only has to be the same for both questions: a stem need not be a word. Two words with one stem
are taken for one, so the rules are few and leave short words alone.
"""

from collections.abc import Mapping
from typing import Final

_VOWELS: Final = frozenset("aeiouy")
_STEM_LETTERS_MIN: Final = 3


def aliases(text: str) -> Mapping[str, str]:
    """The first word of every line `word: alias alias`, by its aliases and by itself."""
    pairs: dict[str, str] = {}
    for line in text.strip().splitlines():
        word, _, others = line.strip().partition(":")
        pairs[word] = word
        for alias in others.split():
            pairs[alias] = word
    return pairs


def words(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


# Forms that no rule leads back.
_IRREGULAR: Final = aliases(
    """
    buy: bought
    sell: sold
    win: won
    lose: lost
    build: built
    make: made
    do: did done
    undo: undid undone
    eat: ate eaten
    write: wrote written
    go: went gone
    beat: beaten
    bear: born borne
    know: knew known
    take: took taken
    give: gave given
    find: found
    send: sent
    spend: spent
    pay: paid
    lend: lent
    catch: caught
    teach: taught
    think: thought
    bring: brought
    fight: fought
    begin: began begun
    drink: drank drunk
    sing: sang sung
    rise: rose risen
    fall: fell fallen
    grow: grew grown
    fly: flew flown
    draw: drew drawn
    drive: drove driven
    speak: spoke spoken
    break: broke broken
    steal: stole stolen
    choose: chose chosen
    freeze: froze frozen
    forget: forgot forgotten
    hold: held
    keep: kept
    meet: met
    run: ran
    say: said
    see: saw seen
    sit: sat
    sleep: slept
    stand: stood
    understand: understood
    wear: wore worn
    man: men
    woman: women
    child: children
    person: people
    foot: feet
    tooth: teeth
    mouse: mice
    lay: laid
    """
)


def stem(word: str) -> str:
    """The stem of a word in lower case, one spelling for British and American."""
    word = _IRREGULAR.get(word, word)
    if len(word) <= _STEM_LETTERS_MIN or not word.isascii():
        return word
    if word[-1] == "s" and word[-2] not in "sui":
        word = word[:-3] + "y" if word.endswith("ies") and len(word) > 4 else word[:-1]
    for ending, shortest in (("ing", 6), ("ed", 5)):
        if word.endswith(ending) and len(word) >= shortest:
            bare = word[: -len(ending)]
            if not _VOWELS.isdisjoint(bare):
                word = bare
            break
    if word[-1] == "e" and len(word) > _STEM_LETTERS_MIN:
        word = word[:-1]
    if word[-1] == "i":
        word = word[:-1] + "y"  # carried, carry
    if "our" in word and len(word) > 4:
        word = word.replace("our", "or")
    if word.endswith(("is", "isation")):
        word = word.replace("is", "iz")
    return _undoubled(word)


def _undoubled(word: str) -> str:
    """`stopp` of `stopped` is a form of `stop`; for its sake `fall` becomes `fal`, like `fell`."""
    return word[:-1] if len(word) > 2 and word[-1] == word[-2] else word
