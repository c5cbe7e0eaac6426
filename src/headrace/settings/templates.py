"""What can be set of templates: prompts as files, which requests name."""

from typing import Annotated

import msgspec
from msgspec import Meta

from headrace.settings.bounded import Filled


class TemplateSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where templates are.

    Attributes:
        path: their directory; `None`: there are none.
        poll_s: how often it is looked at whether a file has changed; 0: only with a reload.
    """

    path: Filled | None = None
    poll_s: Annotated[float, Meta(ge=0, le=3600)] = 2.0
