"""What can be set of the console."""

import msgspec

from headrace.settings.bounded import SessionSecret


class ConsoleSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The console.

    Attributes:
        session_secret: signs the sessions of browsers; gateways with the same one know those of
            each other. `None`: one that each start makes anew.
    """

    session_secret: SessionSecret | None = None
