"""What can be wrong with an arm before it is tried."""

from headrace.errors import SettingsInvalid


class ArmInvalid(SettingsInvalid):
    """An arm cannot be tried; the message says why."""
