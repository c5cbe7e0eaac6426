"""The views of the console in a real browser: what can be done there, and what cannot be."""

import asyncio
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.support.accessible import hindrances
from tests.support.browser import Chromium, Page, expect
from tests.support.console import ADMIN_KEY, APP_KEY, chat, sign_in, width_over
from tests.support.gateway import Gateway
from tests.support.waiting import eventually

if TYPE_CHECKING:  # it may not be installed
    from playwright.async_api import Route

VIEWS = (
    "overview",
    "alerts",
    "flow",
    "playground",
    "requests",
    "jobs",
    "spend",
    "keys",
    "settings",
)
NASTY = "<img src=x onerror=alert(1)>"


async def ask(page: Page, prompt: str) -> None:
    await expect(page.get_by_label("Model")).to_have_value("fast")
    await page.get_by_label("Prompt", exact=True).fill(prompt)
    await page.get_by_role("button", name="Send").click()


def test_the_playground_streams_an_answer_and_tells_its_way(
    browser: Chromium, watched: Gateway
) -> None:
    async def scenario(page: Page) -> None:
        await sign_in(page, "playground")
        answer = page.get_by_role("region", name="Answer").last
        way = page.get_by_role("region", name="The way it came")
        texts = []
        for source in ("miss", "l1"):
            await ask(page, "Why is the sky of the playground blue?")
            await expect(way).to_contain_text(source)
            await expect(answer).to_have_attribute("aria-busy", "false")
            texts.append(await answer.inner_text())
        assert texts[0]
        assert texts[0] == texts[1]
        await expect(way).to_contain_text("Tokens")

    browser.see(watched.url, scenario)


@pytest.mark.heavy
def test_the_playground_says_why_there_is_no_answer(browser: Chromium, watched: Gateway) -> None:
    async def scenario(page: Page) -> None:
        await sign_in(page, "playground")
        await expect(page.get_by_label("Model")).to_have_value("fast")
        await page.get_by_label("Model").evaluate("(e) => e.append(new Option('none-such'))")
        await page.get_by_label("Model").select_option("none-such")
        await page.get_by_label("Prompt", exact=True).fill("Hm?")
        await page.get_by_role("button", name="Send").click()
        await expect(page.get_by_role("alert").first).to_contain_text("none-such")

    browser.see(watched.url, scenario, forgive="404")


@pytest.mark.heavy
def test_a_request_is_found_and_shown_over_time(browser: Chromium, watched: Gateway) -> None:
    async def scenario(page: Page) -> None:
        await sign_in(page, "requests")
        await page.get_by_label("Key").fill("shop-app")
        await page.get_by_role("button", name="Search").click()
        row = page.get_by_role("row", name=request_id)
        await expect(row).to_contain_text("200")
        await row.get_by_role("button").click()
        dialog = page.get_by_role("dialog")
        for stage in ("authenticate", "look up", "send, until the answer began"):
            await expect(dialog.get_by_text(stage)).to_be_visible()
        await expect(dialog).to_contain_text("gpt-4o-mini")
        await page.keyboard.press("Escape")
        await expect(dialog).to_have_count(0)
        await page.get_by_label("Key").fill("nobody")
        await page.get_by_role("button", name="Search").click()
        await expect(page.get_by_text("No request fits.")).to_be_visible()

    request_id = chat(watched, "How long is a request?").headers["x-request-id"]
    call = in_ledger(watched, request_id)
    stages = {each["stage"]: each["ms"] for each in call["stages"]}
    assert {"authenticate", "look_up", "send"} <= set(stages)
    assert 0 < sum(stages.values()) <= call["duration_ms"] + 0.1
    browser.see(watched.url, scenario)


@pytest.mark.heavy
def test_a_search_for_few_goes_on_by_itself_and_can_be_stopped(
    browser: Chromium, watched: Gateway
) -> None:
    asked: list[str] = []

    async def far(route: "Route") -> None:
        # As of a ledger of which each look sees a part.
        asked.append(route.request.url)
        if len(asked) == 3:
            await held.wait()
        page = await (await route.fetch()).json()
        if len(asked) <= 4:
            page |= {"searched_to": "2026-11-21T10:00:00+00:00", "has_more": True}
            page |= {"data": page["data"][:1], "last_id": page["data"][0]["id"]}
        await route.fulfill(json=page)

    async def scenario(page: Page) -> None:
        await sign_in(page, "requests")
        await page.get_by_text(re.compile("No request fits|Newest first")).first.wait_for()
        await page.route("**/admin/usage/calls?*", far)
        await page.get_by_label("Key").fill("shop-app")
        await page.get_by_role("button", name="Search", exact=True).click()
        await expect(page.get_by_text("so far; found 2.")).to_be_visible()
        await page.get_by_role("button", name="Stop").click()
        held.set()
        await page.get_by_role("button", name="Search on").click()
        await expect(page.get_by_text("so far")).to_have_count(0)
        await expect(page.get_by_role("button", name="Search on")).to_be_hidden()

    held = asyncio.Event()
    for number in range(6):
        answer = chat(watched, f"How far is end {number}?")
    in_ledger(watched, answer.headers["x-request-id"])
    browser.see(watched.url, scenario)
    limits = [int(parse_qs(urlsplit(url).query)["limit"][0]) for url in asked]
    assert limits[:3] == [25, 24, 23]
    assert all("after=" in url for url in asked[1:])


@pytest.mark.heavy
def test_a_page_that_is_full_is_turned_and_pages_are_of_what_was_searched(
    browser: Chromium, watched: Gateway
) -> None:
    asked: list[dict[str, list[str]]] = []

    async def full(route: "Route") -> None:
        # As where the last row of a page is found in a look that is not through.
        asked.append(parse_qs(urlsplit(route.request.url).query))
        page = await (await route.fetch()).json()
        rows = [page["data"][0] | {"id": f"req_{n}"} for n in range(int(asked[-1]["limit"][0]))]
        page |= {"data": rows, "last_id": page["data"][0]["id"], "has_more": True}
        await route.fulfill(json=page | {"searched_to": "2026-11-21T10:00:00+00:00"})

    async def scenario(page: Page) -> None:
        await sign_in(page, "requests")
        await page.get_by_text(re.compile("No request fits|Newest first")).first.wait_for()
        await page.route("**/admin/usage/calls?*", full)
        await page.get_by_label("Key").fill("shop-app")
        await page.get_by_role("button", name="Search", exact=True).click()
        await expect(page.get_by_text("so far; found 25.")).to_be_visible()
        await expect(page.get_by_role("button", name="Search on")).to_be_hidden()
        await page.get_by_label("Key").fill("somebody-else")
        await page.get_by_role("button", name="Older").click()
        await expect(page.get_by_role("button", name="Newest")).to_be_enabled()

    for number in range(2):
        answer = chat(watched, f"How full is page {number}?")
    in_ledger(watched, answer.headers["x-request-id"])
    browser.see(watched.url, scenario)
    assert [(each["key"], each["limit"]) for each in asked] == [(["shop-app"], ["25"])] * 2


@pytest.mark.heavy
def test_spend_is_told_by_key_and_by_day(browser: Chromium, watched: Gateway) -> None:
    async def scenario(page: Page) -> None:
        await sign_in(page, "spend")
        await expect(page.get_by_role("row", name="shop-app").first).to_be_visible()
        await page.get_by_label("By").select_option("day")
        await expect(page.get_by_role("columnheader", name="Day")).to_be_visible()

    in_ledger(watched, chat(watched, "What does a day cost?").headers["x-request-id"])
    browser.see(watched.url, scenario)


@pytest.mark.heavy
def test_a_key_is_made_rotated_and_revoked(browser: Chromium, watched: Gateway) -> None:
    async def secret(page: Page) -> str:
        dialog = page.get_by_role("dialog", name=re.compile("The key"))
        key = await dialog.locator("[data-secret]").inner_text()
        await dialog.get_by_role("button", name="Done").click()
        await expect(page.locator("[data-secret]")).to_have_count(0)
        return key

    async def scenario(page: Page) -> tuple[str, str]:
        await sign_in(page, "keys")
        await page.get_by_label("Name", exact=True).fill("laptop")
        await page.get_by_label("Tenant", exact=True).fill("acme")
        await page.get_by_label("Requests a minute").fill("6000")
        await page.get_by_role("button", name="Make a key").click()
        first = await secret(page)
        row = page.get_by_role("row", name="laptop")
        await expect(row).to_contain_text("6,000 requests/min")
        await row.get_by_role("button", name="Rotate").click()
        await page.get_by_role("dialog").get_by_role("button", name="Rotate").click()
        second = await secret(page)
        await row.get_by_role("button", name="Revoke").click()
        await page.get_by_role("dialog").get_by_role("button", name="Leave it").click()
        await expect(row).to_contain_text("active")
        chat(watched, "May a new key ask?", key=second)
        await row.get_by_role("button", name="Revoke").click()
        await page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
        await expect(row).to_contain_text("revoked")
        assert first not in await page.content()
        return first, second

    first, second = browser.see(watched.url, scenario)
    assert first.startswith("hr-")
    assert first != second
    for key in (first, second):
        headers = {"authorization": f"Bearer {key}"}
        eventually(lambda h=headers: watched.get("/v1/models", headers=h).status == 401)  # type: ignore[misc]


def test_settings_are_shown_without_secrets(browser: Chromium, watched: Gateway) -> None:
    async def scenario(page: Page) -> str:
        await sign_in(page, "settings")
        await expect(page.get_by_role("row", name="keys[0].key")).to_contain_text("***")
        await page.get_by_label("as usual").check()
        await page.get_by_label("Search").fill("retry.tries")
        await expect(page.get_by_role("row", name="tries_max")).to_contain_text("3")
        await page.get_by_label("Search").fill("")
        return await page.content()

    content = browser.see(watched.url, scenario)
    assert APP_KEY not in content
    assert ADMIN_KEY not in content


@pytest.mark.heavy
def test_what_outsiders_write_stays_text(browser: Chromium, watched: Gateway) -> None:
    admin = {"authorization": f"Bearer {ADMIN_KEY}"}
    made = watched.post("/admin/keys", {"name": NASTY, "tenant": NASTY}, headers=admin)
    assert made.status == 200
    question = {"model": f"sim/{NASTY}", "messages": [{"role": "user", "content": NASTY}]}
    asked = {"authorization": f"Bearer {APP_KEY}"}
    answer = watched.post("/v1/chat/completions", question, headers=asked)
    in_ledger(watched, answer.headers["x-request-id"])

    async def scenario(page: Page) -> None:
        await sign_in(page, "keys")
        await expect(page.get_by_role("row", name=NASTY).first).to_be_visible()
        await page.goto("/ui#/spend")
        await expect(page.get_by_text(NASTY).first).to_be_visible()
        await page.goto("/ui#/flow")
        await expect(page.get_by_text(NASTY).first).to_be_visible()
        await page.goto("/ui#/requests")
        await expect(page.get_by_text(NASTY).first).to_be_visible()
        await page.get_by_role("row", name=NASTY).first.get_by_role("button").click()
        await expect(page.get_by_role("dialog")).to_contain_text(NASTY)
        await page.keyboard.press("Escape")
        await page.goto("/ui#/playground")
        await ask(page, NASTY)
        await expect(page.get_by_role("region", name="The way it came")).to_contain_text("miss")
        assert await page.locator("img").count() == 1  # the one of the brand

    browser.see(watched.url, scenario)


def test_a_policy_stops_what_text_could_not(browser: Chromium, watched: Gateway) -> None:
    async def scenario(page: Page) -> bool:
        await sign_in(page)
        ran: bool = await page.evaluate(
            """() => {
                const script = document.createElement("script");
                const policy = trustedTypes.createPolicy("test", {createScript: (text) => text});
                script.text = policy.createScript("window.ran = true");
                document.body.append(script);
                return window.ran === true;
            }"""
        )
        return ran

    assert not browser.see(watched.url, scenario, forgive="Content Security Policy")


@pytest.mark.heavy
def test_a_session_that_is_over_leads_back_to_the_door(browser: Chromium, watched: Gateway) -> None:
    async def scenario(page: Page) -> None:
        await sign_in(page)
        await page.context.clear_cookies()
        await page.get_by_label("Administrator's key").wait_for()
        await expect(page.get_by_role("alert")).not_to_be_empty()

    browser.see(watched.url, scenario, forgive="401")


@pytest.mark.heavy
@pytest.mark.parametrize(("scheme", "width"), [("dark", 375), ("light", 1280)])
def test_every_view_fits_and_can_be_used_by_all(
    browser: Chromium, watched: Gateway, scheme: str, width: int
) -> None:
    async def scenario(page: Page) -> dict[str, list[str]]:
        await page.goto("/ui")
        await page.get_by_label("Administrator's key").wait_for()
        wrong = {"sign in": await hindrances(page)}
        await sign_in(page)
        for view in VIEWS:
            await page.goto(f"/ui#/{view}")
            await expect(page.get_by_role("main").locator(".panel").first).to_be_visible()
            await expect(page.get_by_role("link", name=view.title())).to_be_in_viewport()
            await page.wait_for_load_state("networkidle")
            over = await width_over(page)
            wrong[view] = [*await hindrances(page), *([f"{over} pixels over"] if over > 0 else [])]
        return {view: found for view, found in wrong.items() if found}

    in_ledger(watched, chat(watched, "What is to be seen?").headers["x-request-id"])
    profile: dict[str, Any] = {"viewport": {"width": width, "height": 800}, "color_scheme": scheme}
    assert browser.see(watched.url, scenario, **profile) == {}


# What can be used, as a reader hears it; pages are drawn anew while one goes through them.
STEPS_MAX = 300
CONTROLS = """() => [...document.querySelectorAll(
        "a[href], button:enabled, input:enabled, select:enabled, textarea:enabled, [tabindex='0']")]
    .filter((each) => each.checkVisibility({checkVisibilityCSS: true}))
    .map((each) => each.id || each.getAttribute("aria-label") || each.textContent)"""
FOCUSED = """(round) => {
    const each = document.activeElement;
    const {outlineStyle, outlineWidth} = getComputedStyle(each);
    const box = each.getBoundingClientRect();
    const header = document.querySelector("header");
    const isHidden = !header.contains(each) && box.height > 0
        && box.bottom <= header.getBoundingClientRect().bottom && !each.matches(".skip");
    const name = each.id || each.getAttribute("aria-label") || each.textContent;
    // Tab stays in a field of a date for each of its parts.
    const isAgain = each.walked === round && each !== window.walkedLast && each !== document.body;
    each.walked = round;
    window.walkedLast = each;
    return [isAgain, each === document.body ? "" : name,
            outlineStyle !== "none" && parseFloat(outlineWidth) > 0 && !isHidden];
}"""


@pytest.mark.heavy
@pytest.mark.parametrize("width", [375, 1280])
def test_whatever_can_be_used_is_reached_by_keyboard_and_seen(
    browser: Chromium, watched: Gateway, width: int
) -> None:
    async def walk(page: Page, view: str) -> tuple[set[str], list[str]]:
        """Once around: what comes while one goes is no fault of the way."""
        wanted = set(await page.evaluate(CONTROLS))
        reached, unseen = set(), []
        for _ in range(STEPS_MAX):
            await page.keyboard.press("Tab")
            is_again, name, is_seen = await page.evaluate(FOCUSED, view)
            if is_again:
                break
            reached.add(name)
            if name and not is_seen:
                unseen.append(name)
        return (wanted & set(await page.evaluate(CONTROLS))) - reached, unseen

    async def scenario(page: Page) -> dict[str, Any]:
        await sign_in(page)
        wrong = {}
        for view in VIEWS:
            await page.goto(f"/ui#/{view}")
            await expect(page.get_by_role("main").locator(".panel").first).to_be_visible()
            await page.wait_for_load_state("networkidle")
            missed, unseen = await walk(page, view)
            wrong[view] = sorted(missed) + [f"unseen {name}" for name in unseen]
        return {view: found for view, found in wrong.items() if found}

    in_ledger(watched, chat(watched, "Who goes by keys?").headers["x-request-id"])
    profile: dict[str, Any] = {"viewport": {"width": width, "height": 800}}
    assert browser.see(watched.url, scenario, **profile) == {}


def test_what_keeps_people_out_is_seen(browser: Chromium, watched: Gateway) -> None:
    bad = """<h3>Deep</h3><p style="color: #aaa; background: #fff">Pale</p><input tabindex=3>
        <table><tr><th>No scope</th></tr></table><svg role=img></svg><b id=x></b><b id=x></b>
        <input aria-label=Faint style="border: 1px solid #ddd">"""

    async def scenario(page: Page) -> list[str]:
        await page.set_content(f"<main>{bad}</main>")
        return await hindrances(page)

    found = [each.split(":")[0] for each in browser.see(watched.url, scenario)]
    assert found == [
        *("no name", "no words", "out of order", "a table without words", "ids", "not one h1"),
        *("a heading too deep", "contrast 2.32", "edge 1.36"),
    ]


def in_ledger(gateway: Gateway, request_id: str) -> dict[str, Any]:
    """A call, once it can be read."""
    headers = {"authorization": f"Bearer {ADMIN_KEY}"}
    path = f"/admin/usage/calls/{request_id}"
    eventually(lambda: gateway.get(path, headers=headers).status == 200, 60)
    call: dict[str, Any] = gateway.get(path, headers=headers).json()
    return call
