"""Quotas at their edges: calls above a burst, and keys that are all refused."""

from pathlib import Path

import pytest
from tests.integration.test_quotas import KEYS, ask, gateway_to, good, refusal
from tests.integration.test_turns import question
from tests.support.house import OPENAI
from tests.support.provider import scripted


@pytest.mark.parametrize(
    "quota",
    [
        {"requests_per_minute": 30, "burst_s": 1},
        {"requests_per_minute": 0.5},
        {"tokens_per_minute": 60_000, "burst_s": 1},
    ],
    ids=str,
)
def test_a_call_above_the_burst_goes_where_a_minute_holds_it(
    tmp_path: Path, quota: dict[str, float]
) -> None:
    with scripted() as provider, gateway_to(tmp_path, provider.url, quota=quota) as gateway:
        provider.answers = [good()]
        document = {**question(0), "max_tokens": 20_000}
        assert gateway.post(OPENAI.path, document).status == 200
        soon = {"x-headrace-deadline-ms": "1000"}
        assert ask(gateway, 1, **soon).error["code"] == "deadline_out_of_reach"
        assert len(provider.heads) == 1


def test_a_call_changes_keys_once_for_each_of_the_others(tmp_path: Path) -> None:
    """Keys that are open again before the last one has refused are no way to ask for ever."""
    with scripted() as provider, gateway_to(tmp_path, provider.url, api_keys=KEYS) as gateway:
        provider.closes = False
        provider.answers = [refusal("429 Too Many Requests", "retry-after-ms: 0.001")]
        refused = ask(gateway, 0, **{"x-headrace-deadline-ms": "3000"})
        assert (refused.status, refused.headers["x-headrace-attempts"]) == (429, "2")
        assert len(provider.heads) == 2
