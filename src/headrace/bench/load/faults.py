"""What can be wrong before a run begins."""

from headrace.errors import SettingsInvalid


class PlanInvalid(SettingsInvalid):
    """The plan, or what was asked for, cannot be run; the message says where and why."""
