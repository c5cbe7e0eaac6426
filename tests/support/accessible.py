"""What keeps people from using a page who do not see it, or not well: looked for in a browser.

The rules are some of WCAG 2.2: 1.1.1 (images have words), 1.3.1 (tables and headings have theirs),
1.4.3 (contrast of text, 4.5 to 1, or 3 to 1 where it is large), 1.4.11 (edges of what is filled
in, 3 to 1), 2.4.3 and 4.1.2 (whatever can be
used has a name, and is in order).
"""

from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:  # it may not be installed
    from playwright.async_api import Page

_LOOK: Final = Path(__file__).with_suffix(".js")


async def hindrances(page: "Page") -> list[str]:
    """What is wrong with a page as it is now; nothing where it can be used by all."""
    found: list[str] = await page.evaluate(_LOOK.read_text("utf-8"))
    return found
