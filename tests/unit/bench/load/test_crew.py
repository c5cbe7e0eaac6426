"""What may be loaded, and what may not."""

import pytest

from headrace.bench.load.crew import Target
from headrace.bench.load.faults import PlanInvalid


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("http://127.0.0.1:9100", "127.0.0.1", 9100),
        ("http://127.0.0.1:9100/v1", "127.0.0.1", 9100),
        ("http://localhost", "localhost", 80),
        ("http://[::1]:81/", "::1", 81),
    ],
)
def test_this_machine_may_be_loaded(url: str, host: str, port: int) -> None:
    assert Target.of(url) == Target(host, port)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com",
        "http://10.0.0.1:80",
        "http://127.0.0.1.example.com",
        "http://localhost.example.com:80",
        "http://127.0.0.1@example.com",
        "http://user:secret@127.0.0.1",
        "https://127.0.0.1",
        "127.0.0.1:80",
        "http://127.0.0.1:99999",
        "http://127.0.0.1:80/other",
        "http://127.0.0.1/?q=1",
        "",
    ],
)
def test_what_is_not_this_machine_or_no_url_is_refused(url: str) -> None:
    with pytest.raises(PlanInvalid):
        Target.of(url)


def test_another_machine_may_be_loaded_by_whoever_says_so() -> None:
    assert Target.of("http://10.0.0.1:80", is_consented=True).host == "10.0.0.1"
