"""A real Chromium, driven from a thread of its own: tests of other modules keep their loops."""

import asyncio
import shutil
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import pytest

pytest.importorskip("playwright")  # tests that import this are skipped without it
from playwright.async_api import (
    Browser,
    BrowserContext,
    Page,
    async_playwright,
    expect,
)

Result = TypeVar("Result")
Scenario = Callable[[Page], Awaitable[Result]]

PATIENCE_MS: Final = 60_000.0
# A scenario waits for several things; one that hangs fails, and does not hold the others up.
_SCENARIO_S: Final = 600.0
_STEP_S: Final = 2 * PATIENCE_MS / 1000
_NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
# A container has no sandbox of its own, and little shared memory.
_ARGUMENTS: Final = ("--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu")


def find_chromium() -> str | None:
    """The browser of this machine, or `None`."""
    return next(filter(None, map(shutil.which, _NAMES)), None)


def why_not() -> str | None:
    """Why there is no browser here; `None` where there is one."""
    return None if find_chromium() else "Chromium is not installed"


class Chromium:
    """One browser; each scenario has a profile of its own."""

    def __init__(self, loop: asyncio.AbstractEventLoop, browser: Browser) -> None:
        self._loop = loop
        self._browser = browser

    def see(
        self, url: str, scenario: Scenario[Result], forgive: str = "", **profile: Any
    ) -> Result:
        """Run a scenario on an empty page; whatever the page complains of fails the test.

        Args:
            url: what paths are relative to.
            scenario: what is done.
            forgive: a complaint that is to be; any other is not, and neither is its absence.
            profile: of the browser, such as its size.
        """
        future = asyncio.run_coroutine_threadsafe(
            self._see(url, scenario, forgive, profile), self._loop
        )
        return _result_of(future, _SCENARIO_S)

    async def _see(
        self, url: str, scenario: Scenario[Result], forgive: str, profile: dict[str, Any]
    ) -> Result:
        context: BrowserContext = await self._browser.new_context(base_url=url, **profile)
        try:
            context.set_default_timeout(PATIENCE_MS)
            page = await context.new_page()
            complaints: list[str] = []
            page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
            page.on(
                "console",
                lambda said: complaints.append(said.text) if said.type == "error" else None,
            )
            page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
            result = await scenario(page)
            unforgiven = [each for each in complaints if not forgive or forgive not in each]
            assert not unforgiven, unforgiven
            assert len(complaints) > len(unforgiven) or not forgive, f"nothing of {forgive!r}"
            return result
        finally:
            await context.close()


def _result_of(future: Future[Result], patience_s: float) -> Result:
    """What becomes of work on the browser's thread; it is given up when it takes too long."""
    try:
        return future.result(patience_s)
    except TimeoutError:
        future.cancel()
        raise


@contextmanager
def chromium() -> Iterator[Chromium]:
    """A browser of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="chromium", daemon=True)
    thread.start()

    def wait_for(work: Coroutine[Any, Any, Result]) -> Result:
        return _result_of(asyncio.run_coroutine_threadsafe(work, loop), _STEP_S)

    async def start() -> tuple[Any, Browser]:
        expect.set_options(timeout=PATIENCE_MS)  # five seconds otherwise
        driver = await async_playwright().start()
        browser = await driver.chromium.launch(
            executable_path=find_chromium(), args=list(_ARGUMENTS), timeout=PATIENCE_MS
        )
        return driver, browser

    async def stop() -> None:
        await browser.close()
        await driver.stop()

    driver, browser = wait_for(start())
    try:
        yield Chromium(loop, browser)
    finally:
        wait_for(stop())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
