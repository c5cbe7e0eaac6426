"""Where a worker works, as the gateway tells it: apart from the worker, which is heavier."""

from typing import Final

import msgspec

from headrace.errors import InvalidRequest, SettingsInvalid
from headrace.jobs.kinds import Kinds
from headrace.settings.jobs import JobsSettings

JOBS_FOLDER: Final = "jobs"


class Posting(msgspec.Struct, frozen=True):
    """Where a process works.

    Attributes:
        store_url: where jobs are kept; holds a password, maybe.
        data_dir: where files are kept.
        gateway: where models are asked.
        queues: those it serves; all there are, where none is named.
        key: of the gateway; None where keys are open.
        is_deputy: whether the key lets it ask for the keys that submitted its jobs.
        certificate: of the gateway, in PEM; without it, who is known to the system is trusted.
        metrics_at: host and port where it tells Prometheus of itself; `None` for nowhere.
    """

    store_url: str
    data_dir: str
    gateway: str
    queues: tuple[str, ...] = ()
    key: str | None = None
    is_deputy: bool = False
    certificate: str | None = None
    metrics_at: tuple[str, int] | None = None


def check_schedules(settings: JobsSettings, kinds: Kinds) -> None:
    """See that each schedule submits a job that can be done.

    Raises:
        SettingsInvalid: one does not.
    """
    for name, schedule in settings.schedules.items():
        try:
            kinds.find(schedule.kind).read(msgspec.json.decode(schedule.input))
        except InvalidRequest as error:
            raise SettingsInvalid(f"jobs.schedules.{name}: {error.message}") from None
