"""How what is the matter is told, and what helps.

The names are those of the alerts that `headrace observe export` writes, where there is such an
alert. Those want a state of affairs to last before they wake anybody; whoever looks at a page wants
to know it at once.
"""

from typing import Final, Literal

import msgspec

Severity = Literal["page", "ticket"]
GIB: Final = 2**30


def counted(value: float) -> str:
    """How many."""
    return f"{value:,.0f}"


def share(value: float) -> str:
    """A part of one."""
    return f"{value:.0%}"


def gib(value: float) -> str:
    """Bytes."""
    return f"{value / GIB:.1f} GiB"


def dollars(value: float) -> str:
    """Money."""
    return f"${value:,.2f}"


def minutes(value: float) -> str:
    """Seconds."""
    return f"{value:.0f} s" if value < 120 else f"{value / 60:.0f} min"


class Wording(msgspec.Struct, frozen=True):
    """How an alarm is told.

    Attributes:
        name: of the alert.
        severity: `page` is for now, `ticket` can wait until morning.
        what: what is the matter; `{value}`, and `{0}` and so on for labels.
        todo: what helps.
    """

    name: str
    severity: Severity
    what: str
    todo: str


ERRORS: Final = Wording(
    "HeadraceErrors",
    "page",
    "{value} of the answers of the last five minutes are 5xx.",
    "Requests, searched by status, shows which: the error of each says why.",
)
PROVIDER_ERRORS: Final = Wording(
    "HeadraceProviderErrors",
    "ticket",
    "{value} of the calls to provider {0} of the last five minutes failed.",
    "See its state under Flow. Where it has trouble, other targets take over: models.NAME.targets.",
)
LOOP_LATE: Final = Wording(
    "HeadraceLoopLate",
    "ticket",
    "More than one timer in a hundred was over 250 ms late in the last five minutes.",
    "Something else takes the processor, or there are too few workers: headrace profile.",
)
CPU: Final = Wording(
    "HeadraceCpu",
    "ticket",
    "Workers use {value} of a core each.",
    "Add workers (listen.workers), up to one for each core, or machines.",
)
BURNS_FAST: Final = Wording(
    "HeadraceSloBurnsFast",
    "page",
    "The budget of service level {0} burns {value} times too fast, over five minutes and an hour.",
    "See on the overview what has changed, then which provider.",
)
BURNS_STEADY: Final = Wording(
    "HeadraceSloBurnsSteady",
    "page",
    "The budget of service level {0} burns {value} times too fast, over half an hour and six.",
    "See on the overview what has changed, then which provider.",
)
BURNS_SLOW: Final = Wording(
    "HeadraceSloBurnsSlow",
    "ticket",
    "The budget of service level {0} burns {value} times too fast, over six hours and three days.",
    "It will not last: see which kind of answer is bad under Requests, or set another objective "
    "(slos).",
)
GIVES_WAY: Final = Wording(
    "HeadraceGivesWay",
    "ticket",
    "{value} of the calls that can wait give way, for the budget of service level {0} burns.",
    "See on the overview what has changed, then which provider.",
)
USED_UP: Final = Wording(
    "HeadraceSloUsedUp",
    "ticket",
    "The budget of service level {0} is used up.",
    "Until it is earned back, change as little as can be; or the objective is too high (slos).",
)
BUDGET_NEAR: Final = Wording(
    "HeadraceBudgetNearlySpent",
    "ticket",
    "{value} of what budget {0} may spend in this {1} is spent or held.",
    "Spend, by key and model, says for what. Raise it (budgets), or name a cheaper model for it.",
)
BUDGET_SPENT: Final = Wording(
    "HeadraceBudgetSpent",
    "page",
    "Budget {0} of this {1} is spent: its calls are refused until {2}.",
    "Raise it (budgets) and reload, or wait.",
)
DISK: Final = Wording(
    "HeadraceDiskNearlyFull",
    "page",
    "The disk of data_dir has {value} left.",
    "Free some: without room the ledger, jobs and the cache on disk lose what comes. Keep less: "
    "ledger.keep_days, jobs.keep_days, cache.",
)
REFUSED: Final = Wording(
    "HeadraceLedgerRefused",
    "ticket",
    "The store refused rows of the ledger, which lie beside the journal ({value}).",
    "The log says why (ledger_row_refused). When that is over: headrace db retry.",
)
UNREADABLE: Final = Wording(
    "HeadraceLedgerRefused",
    "ticket",
    "Files of the ledger's journal cannot be read ({value}).",
    "They are kept as .unreadable in the folder ledger of data_dir: see the disk, and take them "
    "away when nobody needs them.",
)
COST_SPIKE: Final = Wording(
    "HeadraceCostSpike",
    "page",
    "Providers cost {value} an hour; in the dearest hour of the week before yesterday it was {0}.",
    "Spend, by key and model, says whose it is. A budget (budgets) bounds it.",
)
HITS_FELL: Final = Wording(
    "HeadraceHitRateFell",
    "ticket",
    "The cache answered {value} of the last hour's requests; at this time yesterday it was {0}.",
    "A purge, a changed prompt, or a cache that was lost: see Answers on the overview, and the "
    "log for purged and tier_out.",
)


class Elsewhere(msgspec.Struct, frozen=True):
    """An alert that no gateway can tell of itself.

    Attributes:
        name: of the alert.
        why: it has to be told elsewhere.
    """

    name: str
    why: str


_GONE: Final = "a gateway that is gone tells nothing"
_OWN_PROCESS: Final = "workers of jobs that read a broker have metrics of their own"
ELSEWHERE: Final = (
    Elsewhere("HeadraceGone", _GONE),
    Elsewhere("HeadraceInstanceGone", _GONE),
    Elsewhere("HeadraceMessagesRefused", _OWN_PROCESS),
    Elsewhere("HeadraceBrokerAway", _OWN_PROCESS),
)
