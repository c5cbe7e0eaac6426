"""The kinds that come with Headrace."""

from headrace.jobs.generate import GENERATE
from headrace.jobs.kinds import Kinds


def built_in_kinds() -> Kinds:
    """All kinds; importing their rooms is left until they are wanted."""
    return Kinds([GENERATE])
