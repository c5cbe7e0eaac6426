"""What the guards know of words, as tables in lower case.

They are of English, with the commonest words of a few more languages. They were written from
general knowledge and tuned on one half of `benchmarks/data/semantic_pairs.jsonl` only.
"""

from collections.abc import Mapping
from typing import Final

from headrace.cache.semantic.stems import aliases, stem, words


def _stemmed(pairs: Mapping[str, str]) -> Mapping[str, str]:
    return {stem(alias): stem(word) for alias, word in pairs.items()}


def _opposites(text: str) -> Mapping[str, frozenset[str]]:
    """The opposites of each stem, of lines `these words / those words`."""
    found: dict[str, set[str]] = {}
    for line in text.strip().splitlines():
        left, _, right = line.partition("/")
        for here, there in ((left, right), (right, left)):
            for word in here.split():
                found.setdefault(stem(word), set()).update(map(stem, there.split()))
    return {word: frozenset(others) for word, others in found.items()}


# Words that carry no meaning of their own in a question: two questions may differ in them.
FILLERS: Final = words(
    """
    a an the this that these those there here it its i me my mine myself you your yours we us
    our ours they them their he him his she her hers
    is are am was were be been being do does did done doing have has had having can could will would
    shall should may might
    what which who whom whose when where why how
    of in on at to for from by with as into onto about and or so than then if also too just
    please kindly thanks thank hi hello hey dear somebody someone
    anybody anyone tell give explain explanation describe define definition say know
    wonder wondering like want need mind quick question some any such actually really
    way ways step steps reason reasons meaning mean means able possible let get got exactly
    one s t d m re ve ll
    """
)

# Stems that are one for the purpose of comparing questions.
SYNONYMS: Final = _stemmed(
    aliases(
        """
        buy: purchase
        begin: start commence
        delete: erase
        picture: photo photograph
        car: automobile
        movie: film
        house: home
        repair: fix
        change: modify alter update
        fast: quick quickly rapid rapidly
        big: large
        biggest: largest
        fastest: quickest
        salary: wage
        child: kid
        email: mail
        phone: telephone smartphone cellphone
        differ: difference different
        holiday: vacation
        shop: store
        app: application
        pay: payment
        turn: switch
        require: need
        benefit: beneficial
        move: transfer
        sum: total
        doc: documentation
        summarize: summary
        discover: discovery
        recommend: suggest
        """
    )
)

# Words that turn an answer round, beside those that a beginning makes their own opposites.
OPPOSITES: Final = _opposites(
    """
    on / off
    up / down
    open / close shut
    big biggest large largest / small smallest tiny little
    gain / lose
    win / lose
    rise climb grow / fall drop shrink
    raise / lower
    hot hottest warm warmest / cold coldest cool
    add insert append / remove delete erase
    buy purchase / sell
    before / after
    best better / worst worse
    good great / bad poor
    pro / con
    fast fastest quick quickest / slow slowest
    high highest / low lowest
    long longest / short shortest
    tall tallest / short shortest
    start begin launch / stop end finish halt
    left / right
    allow permit accept / block deny forbid reject refuse decline prohibit ban
    more most / less least fewer fewest
    many / few
    positive / negative
    above / below
    over / under
    inside / outside
    old oldest older / new newest newer young youngest younger
    first / last
    early earliest / late latest
    cheap cheapest / expensive
    easy easiest / hard hardest difficult
    hard / soft
    wide / narrow
    strong strongest / weak weakest
    heavy heaviest / light lightest
    rich richest / poor poorest
    safe / dangerous unsafe risky
    success succeed / failure fail
    true / false
    yes / no
    push / pull
    send / receive
    lend / borrow
    arrive / depart
    enter / exit leave
    attack / defend
    love / hate
    join / leave
    deposit / withdraw
    credit / debit
    profit / loss
    asset / liability
    input / output
    read / write
    show display / hide
    public / private
    local / remote
    upload / download
    top / bottom
    front / back
    north / south
    east / west
    always / never
    male man / female woman
    minimum min / maximum max
    minimize / maximize
    married / single
    odd / even
    sink / float
    freeze / melt
    expand / collapse shrink contract
    create / destroy delete
    approve / reject deny
    optional / mandatory required
    wet / dry
    full / empty
    deep / shallow
    thick / thin
    alive / dead
    save / spend load
    cause / cure prevent
    prevent / treat
    push / pop
    """
)

# Beginnings that make a word its own opposite, or the opposite of another with such a beginning.
POLAR_PREFIXES: Final = (
    "under", "inter", "intra", "micro", "macro", "super", "hyper", "anti", "over", "post", "down",
    "hypo", "mis", "dis", "non", "des", "pre", "out", "sub", "de", "as", "en", "ex", "im", "in",
    "il", "ir", "un", "up",
)  # fmt: skip

# Kinds of negation by the words that make them.
NEGATIONS: Final = aliases(
    """
    not: never cannot nor neither hardly barely
    no: none nobody nothing without lack lacks lacking zero non nowhere minus
    except: excluding excluded unless besides apart
    """
)
NEGATIONS_ELSEWHERE: Final = aliases(
    """
    not: nicht nie niemals pas jamais no nunca jamás non mai não nem niet nooit не нет никогда
    without: ohne sans sin senza sem zonder без kein keine keinen keiner keinem aucun aucune geen
    none: ningún ninguna nessun nessuna nenhum nenhuma
    """
)
# Contractions without their apostrophe.
SHORT_NEGATIONS: Final = words(
    "dont doesnt didnt isnt arent wasnt werent cant couldnt wont wouldnt shouldnt havent hasnt "
    "hadnt"
)

# What `how` asks for with these, as the word it could have been asked by.
MEASURES: Final[Mapping[str, str]] = {
    "many": "", "much": "", "long": "duration", "far": "distance", "often": "frequency",
    "old": "age", "tall": "height", "high": "height", "big": "size", "large": "size",
    "fast": "speed", "deep": "depth", "wide": "width", "heavy": "weight",
}  # fmt: skip
QUESTION_WORDS: Final = words("who when where why how")
ARTICLES: Final = words("a an the my your our their his her its")
TENSES: Final[Mapping[str, str]] = {
    **dict.fromkeys(words("was were did had"), "past"),
    **dict.fromkeys(words("is are am do does has"), "present"),
    **dict.fromkeys(words("will shall"), "future"),
}

# What comes before a word and says which part it plays.
SLOTS: Final[Mapping[str, str]] = {
    "from": "from", "to": "to", "into": "to", "onto": "to", "than": "than", "against": "against",
}  # fmt: skip
JOINERS: Final = words("and or vs versus")
# A beginning up to a comma is moved to the end where it starts with one of these.
FRONTED: Final = words("in on for with as if at from when to after before during using")

ENGLISH: Final = "en"
_TELLING: Final[Mapping[str, str]] = {
    ENGLISH: "the what which who whom whose when where why how is are was were do does did can "
    "could should would of and you my your it this that from with please i",
    "de": "der die das und ist sind wie was wer wo wann warum ich nicht ein eine kann man mein "
    "mich auf für mit zu dem den des welche welcher welches im in du",
    "fr": "le la les et est sont que quel quelle quels quelles comment pourquoi où quand je du "
    "une des mon ma puis dans pour avec l d qu un de",
    "es": "el la los las qué cuál cuáles cómo dónde cuándo por una puedo mi del para con y cual "
    "quién es de en lo un",
    "it": "il la gli che quale quali come dove quando perché posso mio della per una di è un",
    "pt": "os as qual quais como onde quando meu minha posso do da para uma um é de",
    "nl": "de het een en is hoe wat wie waar wanneer waarom ik mijn kan van voor met je in",
}


def _languages() -> Mapping[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for language, telling in _TELLING.items():
        for word in telling.split():
            found[word] = (*found.get(word, ()), language)
    return found


# Words that tell a language from the others here.
LANGUAGES: Final = _languages()
ENGLISH_WORDS: Final = words(_TELLING[ENGLISH])
