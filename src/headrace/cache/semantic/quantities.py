"""Numbers, units and dates as words, and what they come to. Pure."""

from collections.abc import Mapping
from typing import Final

from headrace.cache.semantic.stems import aliases

_SMALL: Final = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
)
_TENS: Final = "twenty thirty forty fifty sixty seventy eighty ninety"
_ORDINALS: Final = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth "
    "fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth"
)

_NUMBER_WORDS_MAX: Final = 12
CARDINALS: Final[Mapping[str, int]] = {
    **{word: value for value, word in enumerate(_SMALL.split())},
    **{word: 10 * value for value, word in enumerate(_TENS.split(), start=2)},
}
MULTIPLIERS: Final[Mapping[str, int]] = {
    "hundred": 100,
    "thousand": 1000,
    "million": 10**6,
    "billion": 10**9,
    "trillion": 10**12,
}
FRACTIONS: Final[Mapping[str, str]] = {
    "half": "0.5",
    "quarter": "0.25",
    "double": "2",
    "twice": "2",
    "triple": "3",
    "thrice": "3",
    "once": "1",
    "dozen": "12",
}
ORDINALS: Final[Mapping[str, str]] = {
    word: f"#{value}" for value, word in enumerate(_ORDINALS.split(), start=1)
}
# As they stand behind names: World War II. Not I, V, X alone, which are words or letters.
ROMANS: Final[Mapping[str, str]] = {
    word: str(value)
    for value, word in enumerate(
        [
            "",
            "II",
            "III",
            "IV",
            "",
            "VI",
            "VII",
            "VIII",
            "IX",
            "",
            "XI",
            "XII",
            "XIII",
            "XIV",
            "XV",
            "XVI",
            "XVII",
            "XVIII",
            "XIX",
            "XX",
        ],
        start=1,
    )
    if word
}

# Units wherever they stand.
UNITS: Final = aliases(
    """
    percent: % percentage
    degree: degrees °
    celsius: centigrade
    fahrenheit:
    kelvin:
    kilometer: kilometers kilometre kilometres km kms
    meter: meters metre metres
    centimeter: centimeters centimetre centimetres cm
    millimeter: millimeters millimetre millimetres mm
    mile: miles
    yard: yards
    foot: feet
    inch: inches
    kilogram: kilograms kilo kilos kg kgs
    gram: grams gramme grammes
    milligram: milligrams mg
    microgram: micrograms mcg
    ton: tons tonne tonnes
    ounce: ounces oz
    stone: stones
    liter: liters litre litres
    milliliter: milliliters millilitre millilitres ml
    gallon: gallons
    cup: cups
    tablespoon: tablespoons tbsp
    teaspoon: teaspoons tsp
    byte: bytes
    kilobyte: kilobytes kb
    megabyte: megabytes mb
    gigabyte: gigabytes gb
    terabyte: terabytes tb
    kbps:
    mbps:
    gbps:
    millisecond: milliseconds ms
    microsecond: microseconds
    nanosecond: nanoseconds ns
    second: seconds sec secs
    minute: minutes mins
    hour: hours hr hrs
    day: days
    week: weeks
    month: months
    year: years
    decade: decades
    century: centuries
    dollar: dollars usd bucks $
    euro: euros eur €
    pound: pounds gbp lb lbs £
    yen: jpy ¥
    rupee: rupees inr
    franc: francs chf
    watt: watts
    kilowatt: kilowatts kw
    volt: volts
    calorie: calories
    mph:
    kph: kmh
    acre: acres
    hectare: hectares
    """
)
# Units only right behind a number: alone they are letters or other words.
SHORT_UNITS: Final[Mapping[str, str]] = {
    "m": "meter", "g": "gram", "l": "liter", "s": "second", "h": "hour", "d": "day", "t": "ton",
    "c": "celsius", "f": "fahrenheit", "k": "kelvin", "b": "byte", "in": "inch", "ft": "foot",
    "mi": "mile", "yd": "yard", "min": "minute", "w": "watt", "v": "volt", "second": "second",
}  # fmt: skip
SUFFIXES: Final[Mapping[str, int]] = {"k": 1000, "bn": 10**9}
ORDINAL_ENDINGS: Final = frozenset(("st", "nd", "rd", "th"))

MONTHS: Final = aliases(
    """
    m1: january jan
    m2: february feb
    m3: mar
    m4: april apr
    m6: june jun
    m7: july jul
    m8: august aug
    m9: september sept
    m10: october oct
    m11: november nov
    m12: december dec
    """
)
# Months that are words too: only where they are written large within a sentence.
LARGE_MONTHS: Final[Mapping[str, str]] = {"march": "m3", "may": "m5"}
DATES: Final[Mapping[str, str]] = {
    **aliases(
        """
        monday: mondays mon
        tuesday: tuesdays tue
        wednesday: wednesdays wed
        thursday: thursdays thu
        friday: fridays fri
        saturday: saturdays
        sunday: sundays
        weekend: weekends
        today:
        tonight:
        tomorrow:
        yesterday:
        nowadays: currently
        noon: midday
        midnight:
        autumn:
        summer:
        winter:
        q1:
        q2:
        q3:
        q4:
        am: a.m
        pm: p.m
        """
    ),
    **MONTHS,
}
POINTERS: Final = aliases(
    """
    this: current
    last: previous past
    next: coming
    """
)
PERIODS: Final = frozenset(("day", "week", "month", "quarter", "year", "decade", "century"))


def spoken_number(words: list[str], start: int) -> tuple[int, int]:
    """The number that words from `start` on say: its value, and how many words it takes."""
    total = part = taken = 0
    said = words[start : start + _NUMBER_WORDS_MAX]
    for at, word in enumerate(said):
        if word == "and" and at and said[at - 1] in MULTIPLIERS and _goes_on(said, at + 1):
            pass
        elif word in CARDINALS and (not taken or not part % 10 or word == "zero"):
            part += CARDINALS[word]
        elif word in MULTIPLIERS and taken:
            part *= MULTIPLIERS[word]
            if MULTIPLIERS[word] > 100:
                total, part = total + part, 0
        else:
            break
        taken += 1
    return total + part, taken


def _goes_on(words: list[str], at: int) -> bool:
    return at < len(words) and words[at] in CARDINALS
