"""The console as a browser uses it."""

from typing import TYPE_CHECKING, Any, Final

from tests.support.gateway import Gateway
from tests.support.wire import Response

if TYPE_CHECKING:  # it may not be installed
    from playwright.async_api import Page

APP_KEY: Final = "hr-application-key"
ADMIN_KEY: Final = "hr-operator-key"


async def sign_in(page: "Page", view: str = "overview", key: str = ADMIN_KEY) -> None:
    """Open a view as an administrator."""
    await page.goto(f"/ui#/{view}")
    await page.get_by_label("Administrator's key").fill(key)
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_role("navigation", name="Views").wait_for()


async def width_over(page: "Page") -> int:
    """By how many pixels the page is wider than its window."""
    over: int = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return over


def chat(gateway: Gateway, question: str, key: str = APP_KEY, **more: Any) -> Response:
    """Ask a question; the answer has to be good."""
    document = {"model": "fast", "messages": [{"role": "user", "content": question}], **more}
    headers = {"authorization": f"Bearer {key}"}
    response = gateway.post("/v1/chat/completions", document, headers=headers)
    assert response.status == 200, response.body
    return response
