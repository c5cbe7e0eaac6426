"""Jobs and alerts in a real browser: what goes on by itself, and what can be done about it."""

import re
from typing import Any

import pytest
from tests.support.browser import Chromium, Page, expect
from tests.support.console import ADMIN_KEY, APP_KEY, sign_in
from tests.support.gateway import Gateway

NASTY = "<img src=x onerror=alert(1)>"


def submitted(gateway: Gateway, kind: str, document: dict[str, Any]) -> str:
    """A job that may begin in an hour."""
    body = {"kind": kind, "input": document, "delay_s": 3600}
    answer = gateway.post("/v1/jobs", body, headers={"authorization": f"Bearer {APP_KEY}"})
    assert answer.status == 202, answer.body
    return str(answer.json()["id"])


@pytest.mark.heavy
def test_a_job_is_found_cancelled_tried_again_and_seen_to_its_end(
    browser: Chromium, watched: Gateway
) -> None:
    async def scenario(page: Page) -> None:
        await sign_in(page, "jobs")
        await page.get_by_label("State").select_option("delayed")
        row = page.get_by_role("row", name=job)
        await expect(row).to_contain_text("shop")
        await row.get_by_role("button", name="Cancel").click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_role("button", name="Leave it").click()
        await row.get_by_role("button", name="Cancel").click()
        await dialog.get_by_role("button", name="Cancel the job").click()
        await expect(row).to_have_count(0)
        await page.get_by_label("State").select_option("cancelled")
        await row.get_by_role("button", name=job, exact=True).click()
        await expect(dialog).to_contain_text("0 of 3")
        await dialog.get_by_role("button", name="Try").click()
        # Nobody asks anything from here on: it is told as it happens.
        await expect(dialog).to_contain_text("succeeded")
        await expect(dialog.get_by_role("heading", name="Result")).to_be_visible()
        await page.keyboard.press("Escape")
        await expect(dialog).to_have_count(0)
        await page.get_by_label("State").select_option("succeeded")
        await page.get_by_label("Kind").select_option("generate")
        await expect(row).to_contain_text("100 %")
        await page.get_by_label("Kind").select_option("video")
        await expect(page.get_by_text("No job fits.")).to_be_visible()

    job = submitted(watched, "generate", {"model": "fast", "prompt": NASTY})
    browser.see(watched.url, scenario)


def test_jobs_are_told_page_by_page_and_titles_stay_text(
    browser: Chromium, watched: Gateway
) -> None:
    async def scenario(page: Page) -> None:
        await sign_in(page, "jobs")
        await page.get_by_label("State").select_option("delayed")
        await expect(page.get_by_role("row", name=jobs[-1])).to_be_visible()
        await expect(page.get_by_role("row", name=jobs[0])).to_have_count(0)
        await page.get_by_role("button", name="Older").click()
        await page.get_by_role("button", name=jobs[0], exact=True).click()
        await expect(page.get_by_role("dialog")).to_contain_text(NASTY)
        await page.get_by_role("dialog").get_by_role("button", name="Close").click()
        await expect(page.get_by_role("button", name=jobs[0], exact=True)).to_be_focused()
        await page.get_by_role("button", name="Newest").click()
        await expect(page.get_by_role("row", name=jobs[-1])).to_be_visible()
        assert await page.locator("img").count() == 1  # the one of the brand

    jobs = [submitted(watched, "video", {"script": "A.", "title": NASTY}) for _ in range(26)]
    browser.see(watched.url, scenario)


@pytest.mark.heavy
def test_what_is_the_matter_is_told_with_what_helps(browser: Chromium, watched: Gateway) -> None:
    alarms = {
        "object": "list",
        "data": [
            {"name": "HeadraceX", "severity": "page", "what": NASTY, "todo": "Look."},
            {"name": "HeadraceY", "severity": "ticket", "what": "Late.", "todo": "Wait."},
        ],
        "elsewhere": [{"name": "HeadraceGone", "why": NASTY}],
        "seen_s": 3600,
    }

    async def scenario(page: Page) -> None:
        await page.route("**/admin/alerts", lambda route: route.fulfill(json=alarms))
        await sign_in(page, "overview")
        strip = page.get_by_role("main").get_by_role("status")
        await expect(strip).to_contain_text("2 alerts: X, Y")
        await strip.get_by_role("link").click()
        row = page.get_by_role("row", name="HeadraceX")
        await expect(row).to_contain_text(NASTY)
        await expect(row).to_contain_text("Look.")
        others = page.get_by_role("region", name="What is not told here")
        await expect(others).to_contain_text(f"HeadraceGone: {NASTY}")
        await expect(others).to_contain_text("watched for 60 min")
        await page.unroute("**/admin/alerts")
        own = page.get_by_role("region", name="The matter now")
        await expect(own).not_to_contain_text("HeadraceX")
        await expect(own).to_contain_text(re.compile("Nothing is the matter|What helps"))

    browser.see(watched.url, scenario)


def told_by(page: Page, part: str) -> Any:
    """The next answer to a path with this part."""
    return page.wait_for_event("response", lambda response: part in response.url)


@pytest.mark.heavy
def test_a_dialogue_asks_no_more_when_its_view_is_left(browser: Chromium, watched: Gateway) -> None:
    asked: list[str] = []

    async def scenario(page: Page) -> None:
        await sign_in(page, "overview")
        await page.get_by_role("link", name="Jobs").click()
        await page.get_by_role("button", name=job, exact=True).click()
        await told_by(page, f"/admin/jobs/{job}")
        await page.go_back()
        await page.get_by_role("heading", name="Overview").wait_for()
        await told_by(page, "/admin/overview")
        page.on("request", lambda request: asked.append(request.url))
        for _ in range(2):  # two seconds each; a dialogue asks every second
            await told_by(page, "/admin/overview")

    job = submitted(watched, "video", {"script": "A.", "title": "Left"})
    browser.see(watched.url, scenario)
    assert [url for url in asked if job in url] == []


@pytest.mark.heavy
def test_a_dialogue_ends_with_the_session(browser: Chromium, watched: Gateway) -> None:
    asked: list[str] = []

    async def scenario(page: Page) -> None:
        await sign_in(page, "jobs")
        await page.get_by_role("button", name=job, exact=True).click()
        await told_by(page, f"/admin/jobs/{job}")
        await page.context.clear_cookies()
        await page.get_by_label("Administrator's key").wait_for()
        await sign_in(page, "jobs")
        await expect(page.get_by_role("dialog")).to_have_count(0)
        await told_by(page, "/admin/jobs?")
        page.on("request", lambda request: asked.append(request.url))
        for _ in range(2):
            await told_by(page, "/admin/jobs?")

    job = submitted(watched, "video", {"script": "A.", "title": "Over"})
    browser.see(watched.url, scenario, forgive="401")
    assert [url for url in asked if job in url] == []


@pytest.mark.heavy
def test_alerts_that_cannot_be_asked_for_any_more_are_not_shown(
    browser: Chromium, watched: Gateway
) -> None:
    alarm = {"name": "HeadraceX", "severity": "page", "what": "Out.", "todo": "Look."}

    async def scenario(page: Page) -> None:
        await page.route("**/admin/alerts", lambda route: route.fulfill(json={"data": [alarm]}))
        await sign_in(page, "overview")
        strip = page.get_by_role("main").get_by_role("status")
        await expect(strip).to_contain_text("1 alert: X")
        await page.unroute("**/admin/alerts")
        await page.route("**/admin/alerts", lambda route: route.fulfill(status=503, body="{}"))
        await expect(strip).to_contain_text("not known")
        await expect(strip).not_to_contain_text("1 alert")

    browser.see(watched.url, scenario, forgive="503")


def test_levels_are_told_as_the_alerts_judge_them(browser: Chromium, watched: Gateway) -> None:
    usual: dict[str, Any] = {
        "kind": "availability",
        "objective": 0.99,
        "answers": 1000,
        "bad": 100,
        "budget_left": 0.5,
        "window_days": 30,
        "reaction": None,
        "burn_rates": {"5m": 4.0, "30m": 4.0, "1h": 4.0, "6h": 4.0, "3d": 4.0},
        "burning": None,
    }
    shown = {
        "calm": ({}, "kept"),
        "quick": ({"burning": "fast"}, "burning fast"),
        "steady": ({"burning": "steady"}, "burning"),
        "slow": ({"burning": "slow"}, "burning slowly"),
        "gone": ({"burning": "steady", "budget_left": 0.0}, "used up"),
    }
    levels = [{**usual, "name": name, **more} for name, (more, _) in shown.items()]

    async def scenario(page: Page) -> None:
        await page.route("**/admin/slos", lambda route: route.fulfill(json={"data": levels}))
        await sign_in(page, "overview")
        for name, (_, state) in shown.items():
            cell = page.get_by_role("row", name=name).locator("td").first
            await expect(cell).to_have_text(state)

    browser.see(watched.url, scenario)


def test_a_table_that_was_scrolled_may_be_gone(browser: Chromium, watched: Gateway) -> None:
    async def scenario(page: Page) -> str:
        await page.goto("/ui")
        told: str = await page.evaluate(
            """async () => {
                const {fill, h, keepFocus} = await import("/ui/dom.js");
                const wide = h("p", {}, "wide");
                const table = h("div", {class: "scroll"}, wide);
                const box = h("div", {}, table);
                document.body.append(box);
                table.style.cssText = "width: 50px; overflow: auto";
                wide.style.width = "500px";
                table.scrollLeft = 20;
                if (!table.scrollLeft) return "not scrolled";
                keepFocus(box, () => fill(box, h("p", {}, "Nothing yet.")));
                return box.textContent;
            }"""
        )
        return told

    assert browser.see(watched.url, scenario) == "Nothing yet."


def test_what_administrators_alone_may_is_refused_to_others(watched: Gateway) -> None:
    for path in ("/admin/jobs", "/admin/alerts", "/admin/overview"):
        assert watched.get(path, headers={"authorization": f"Bearer {APP_KEY}"}).status == 403
        assert watched.get(path, headers={"authorization": f"Bearer {ADMIN_KEY}"}).status == 200
