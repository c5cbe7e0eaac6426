"""Measured from outside: what makes load and what judges what came of it.

Nothing here imports the gateway: what it says of one could be said of any other. The names below
load their rooms when they are first used, so that whoever makes load needs no numpy.
"""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from headrace.bench.exhibit.plans import Effort
    from headrace.bench.exhibit.results import Showcase
    from headrace.bench.exhibit.run import showcase
    from headrace.bench.impact import Impact
    from headrace.bench.statistics.blocks import Turn, paired_blocks
    from headrace.bench.statistics.comparison import compare, compare_all
    from headrace.bench.statistics.figures import Interval
    from headrace.bench.statistics.multiple import benjamini_hochberg, holm
    from headrace.bench.statistics.power import detectable, power_of, runs_needed
    from headrace.bench.statistics.quantiles import quantile, quantile_interval, shift_function
    from headrace.bench.statistics.question import Comparison, Estimate, Question
    from headrace.bench.statistics.series import change_points, effective_size, trend
    from headrace.bench.trials.arms import Arm
    from headrace.bench.trials.commits import Commit
    from headrace.bench.trials.series import Series, runs_of
    from headrace.bench.trials.trial import Conditions, Trial

__all__ = (
    "Arm",
    "Commit",
    "Comparison",
    "Conditions",
    "Effort",
    "Estimate",
    "Impact",
    "Interval",
    "Question",
    "Series",
    "Showcase",
    "Trial",
    "Turn",
    "benjamini_hochberg",
    "change_points",
    "compare",
    "compare_all",
    "detectable",
    "effective_size",
    "holm",
    "paired_blocks",
    "power_of",
    "quantile",
    "quantile_interval",
    "runs_needed",
    "runs_of",
    "shift_function",
    "showcase",
    "trend",
)

_HOMES: Final = (
    ("exhibit.plans", ("Effort",)),
    ("exhibit.results", ("Showcase",)),
    ("exhibit.run", ("showcase",)),
    ("impact", ("Impact",)),
    ("statistics.blocks", ("Turn", "paired_blocks")),
    ("statistics.comparison", ("compare", "compare_all")),
    ("statistics.figures", ("Interval",)),
    ("statistics.multiple", ("benjamini_hochberg", "holm")),
    ("statistics.power", ("detectable", "power_of", "runs_needed")),
    ("statistics.quantiles", ("quantile", "quantile_interval", "shift_function")),
    ("statistics.series", ("change_points", "effective_size", "trend")),
    ("statistics.question", ("Comparison", "Estimate", "Question")),
    ("trials.arms", ("Arm",)),
    ("trials.commits", ("Commit",)),
    ("trials.series", ("Series", "runs_of")),
    ("trials.trial", ("Conditions", "Trial")),
)
"""Where public names live."""


if not TYPE_CHECKING:  # a type checker knows the names from above, and that there are no others

    def __getattr__(name: str) -> object:
        """Load a public name when it is first asked for.

        Raises:
            AttributeError: there is no such name.
        """
        from importlib import import_module

        for home, names in _HOMES:
            if name in names:
                return getattr(import_module(f"headrace.bench.{home}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
