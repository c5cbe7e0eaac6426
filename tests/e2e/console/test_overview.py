"""The console in a real browser: who may in, and numbers that move."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.support.browser import Chromium, Page, expect
from tests.support.browserless import Browserless
from tests.support.console import ADMIN_KEY, APP_KEY, chat, sign_in, width_over
from tests.support.gateway import Gateway

from headrace.console.overview import FRESH_S

READERS, TURNS = 50, 4


@pytest.mark.heavy
def test_numbers_move_while_requests_come(browser: Chromium, watched: Gateway) -> None:
    def asked() -> float:
        return sum(
            value
            for name, value in watched.metrics().items()
            if name.startswith('headrace_requests_total{route="chat"')
        )

    async def scenario(page: Page) -> None:
        await sign_in(page)
        figure = page.locator(".card", has_text="Requests a second").locator("small")
        await expect(figure).to_have_text(f"{before:.0f} since the start", timeout=60_000)
        for number in range(6):
            chat(watched, f"How high is hill {number % 3} of the overview?")
        await expect(figure).to_have_text(f"{before + 6:.0f} since the start", timeout=60_000)
        spared = page.get_by_role("row", name="Memory (L1)").locator("td").first
        await expect(spared).not_to_have_text("0", timeout=60_000)
        chart = page.get_by_role("img", name="Throughput: answered")
        await expect(chart).to_be_visible()
        row = page.get_by_role("row", name="sim")
        await expect(row).to_contain_text("well")
        level = page.get_by_role("row", name="up no answers yet").or_(
            page.get_by_role("row", name="up kept")
        )
        await expect(level).to_contain_text("90.0 %")
        await expect(level).to_contain_text("shed, at rest")

    before = asked()
    browser.see(watched.url, scenario)


def test_a_wrong_key_and_one_of_no_administrator_are_told(
    browser: Chromium, watched: Gateway
) -> None:
    async def scenario(page: Page) -> None:
        await page.goto("/ui")
        for key, told in (("hr-nobody", "not known here"), (APP_KEY, "of an administrator")):
            await page.get_by_label("Administrator's key").fill(key)
            await page.get_by_role("button", name="Sign in").click()
            await expect(page.get_by_role("alert")).to_contain_text(told)

    browser.see(watched.url, scenario, forgive="Failed to load resource")  # 401 and 403


@pytest.mark.heavy
def test_a_session_lasts_over_a_reload_and_ends_with_sign_out(
    browser: Chromium, watched: Gateway
) -> None:
    async def scenario(page: Page) -> None:
        await sign_in(page)
        await page.reload()
        await page.get_by_role("navigation", name="Views").wait_for()
        assert "hr-operator-key" not in await page.content()
        assert await page.evaluate("document.cookie") == ""
        await page.get_by_role("button", name="Sign out").click()
        await page.get_by_label("Administrator's key").wait_for()
        await page.reload()
        await page.get_by_label("Administrator's key").wait_for()

    browser.see(watched.url, scenario)


def test_the_page_can_be_used_by_keyboard_alone(browser: Chromium, watched: Gateway) -> None:
    async def scenario(page: Page) -> None:
        await page.goto("/ui")
        await expect(page.get_by_label("Administrator's key")).to_be_focused()
        await page.keyboard.type("hr-operator-key")
        await page.keyboard.press("Enter")
        await page.get_by_role("navigation", name="Views").wait_for()
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("main")).to_be_focused()

    browser.see(watched.url, scenario)


def test_curves_are_told_apart_without_their_colours(browser: Chromium, watched: Gateway) -> None:
    async def scenario(page: Page) -> tuple[list[str], list[str]]:
        await sign_in(page)
        panel = page.get_by_role("region", name="Latency, to the last byte")
        await panel.locator(".swatch").nth(2).wait_for()
        strokes: list[str] = await panel.locator(".line").evaluate_all(
            "all => all.map((each) => getComputedStyle(each).strokeDasharray)"
        )
        edges: list[str] = await panel.locator(".swatch").evaluate_all(
            "all => all.map((each) => getComputedStyle(each).borderTopStyle)"
        )
        return strokes, edges

    strokes, edges = browser.see(watched.url, scenario)
    assert len(strokes) == len(set(strokes)) == 3
    assert edges == ["solid", "dashed", "dotted"]


def test_without_javascript_the_page_says_what_to_do(browser: Chromium, watched: Gateway) -> None:
    async def scenario(page: Page) -> str:
        await page.goto("/ui")
        return await page.get_by_role("main").inner_text()

    told = browser.see(watched.url, scenario, java_script_enabled=False)
    assert "needs JavaScript" in told
    assert "/admin/overview" in told


@pytest.mark.heavy
def test_the_page_fits_a_telephone(browser: Chromium, watched: Gateway) -> None:
    async def scenario(page: Page) -> None:
        await sign_in(page)
        await page.get_by_role("row", name="sim").wait_for()
        assert await width_over(page) <= 0

    browser.see(watched.url, scenario, viewport={"width": 375, "height": 800})


@pytest.mark.heavy
def test_the_page_says_what_is_wrong_and_goes_on_after_it(
    browser: Chromium, watched: Gateway
) -> None:
    async def scenario(page: Page) -> None:
        await sign_in(page)
        await page.route("**/admin/overview*", lambda route: route.fulfill(status=503, body="{}"))
        await expect(page.get_by_role("alert")).not_to_be_empty()
        await page.unroute("**/admin/overview*")
        await expect(page.get_by_role("alert")).to_be_hidden()

    browser.see(watched.url, scenario, forgive="503")


def test_fifty_who_watch_cost_as_many_readings_as_one(watched: Gateway) -> None:
    browser = Browserless(watched, ADMIN_KEY)
    assert browser.sign_in().status == 200

    def look(_: int = 0) -> dict[str, Any]:
        answer = browser.get("/admin/overview")
        assert answer.status == 200, answer.body
        told: dict[str, Any] = answer.json()
        return told

    before = look()
    with ThreadPoolExecutor(READERS) as crowd:
        told = list(crowd.map(look, range(READERS * TURNS)))
    after = look()
    assert {each["totals"]["workers"] for each in told} == {1}
    # By the gateway's own clock, however long it took: what one reader would have cost.
    most = (after["now"] - before["now"]) / FRESH_S + 1
    assert after["looks"] - before["looks"] <= most
