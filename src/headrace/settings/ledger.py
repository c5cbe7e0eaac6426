"""What can be set of the ledger: a row for each call."""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from headrace.errors import SettingsInvalid
from headrace.settings.bounded import Duration, Filled

# Written for RE2, which takes linear time whatever it is given.
REDACTED: Final = (
    r"\b(?:sk|pk|rk)-[A-Za-z0-9_-]{16,}",
    r"\b(?:gh[opsur]|github_pat)_[A-Za-z0-9_]{20,}",
    r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}",
    r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
    r"\bAIza[A-Za-z0-9_-]{35}",
    # One that is cut off has fewer dots.
    r"\beyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?|(?:\.[A-Za-z0-9_-]*)?\z)",
    r"(?i)\bbearer\s+[A-Za-z0-9._~+/=-]{12,}",
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]*(?:-----END [A-Z ]*PRIVATE KEY-----)?",
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+",
    r"\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?\b",
    r"\b[0-9]{4}[ -]?[0-9]{4}[ -]?[0-9]{4}[ -]?[0-9]{1,7}\b",
    r"\+[0-9]{1,3}[ ./-]?(?:\(?[0-9]{1,4}\)?[ ./-]?){2,5}[0-9]{2,4}",
)

# A segment under way, and the next one.
_WORKER_MB_MIN: Final = 8


class LedgerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The ledger. What is set of it counts from the next start on.

    Attributes:
        enabled: whether each call leaves a row.
        journal_mb_max: room for rows that the store has not taken yet, in MiB, of all workers;
            8 for each at least.
        fsync_s: how often the disk is made to write them; 0 leaves that to the system, and a power
            cut may take the last half minute.
        share_max: which part of one core may go into bringing rows to the store, as long as the
            journal has room.
        keep_days: how long calls are kept; 0 is for ever. Days and months are kept for ever.
        content: whether prompts and answers of calls to providers are kept too.
        content_kb_max: no more of each, in KiB.
        content_keep_days: how long they are kept.
        redact: patterns of what is made unreadable in them before they are written anywhere,
            besides those of `REDACTED`.
    """

    enabled: bool = True
    journal_mb_max: Annotated[int, Meta(ge=_WORKER_MB_MIN, le=1_048_576)] = 1024
    fsync_s: Duration = 0.0
    share_max: Annotated[float, Meta(gt=0, le=1)] = 0.02
    keep_days: Annotated[int, Meta(ge=0, le=36_500)] = 400
    content: bool = False
    content_kb_max: Annotated[int, Meta(ge=1, le=256)] = 16
    content_keep_days: Annotated[int, Meta(ge=1, le=36_500)] = 30
    redact: tuple[Filled, ...] = ()


def check_journal(ledger: LedgerSettings, workers: int) -> None:
    """Refuse a journal in which not every worker has room.

    Args:
        ledger: what is set of it.
        workers: how many share it.

    Raises:
        SettingsInvalid: it is too small.
    """
    wanted = _WORKER_MB_MIN * workers
    if ledger.enabled and ledger.journal_mb_max < wanted:
        raise SettingsInvalid(
            f"ledger.journal_mb_max is {ledger.journal_mb_max}, and {workers} workers "
            f"(listen.workers) need {wanted}: each has two segments of 4 MiB under way"
        )
