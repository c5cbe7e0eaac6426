"""What is unreadable in the ledger: secrets, wherever in the text of a JSON document they begin."""

import json

import pytest

from headrace.gateway.ledger.contents import make_redact
from headrace.settings.ledger import REDACTED

SECRETS = (
    "sk-abcdefghijklmnopqrstuvwx",
    "ghp_abcdefghijklmnopqrstuvwxyz0123",
    "xoxb-1234567890-abcdef",
    "AKIAABCDEFGHIJKLMNOP",
    "AIzaSyA12345678901234567890123456789012",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcdef",
    "bearer abcdefghijklmnopqrst",
    "someone@example.com",
    "DE89 3704 0044 0532 0130 00",
    "4111 1111 1111 1111",
)


@pytest.mark.parametrize("before", ["", " ", "\n", "\t", "\r\n", "\f", "\b", "\u00e9", '"', "\\"])
@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_found_behind_whatever_stands_before(secret: str, before: str) -> None:
    redact = make_redact(REDACTED)
    told = redact(json.dumps({"text": f"mine:{before}{secret}"}))
    assert json.loads(told) == {"text": f"mine:{before}[redacted]"}


def test_a_secret_is_found_in_json_within_json() -> None:
    inner = json.dumps({"key": f"mine:\n{SECRETS[0]}"})
    told = make_redact(REDACTED)(json.dumps({"arguments": inner}))
    assert SECRETS[0] not in told
    assert json.loads(json.loads(told)["arguments"]) == {"key": "mine:\n[redacted]"}


@pytest.mark.parametrize("payload", ["", ".", ".eyJ", ".eyJzdWIiOiIx", ".eyJzdWIiOiIxIn0."])
def test_a_token_that_is_cut_off_is_found(payload: str) -> None:
    text = "mine: eyJhbGciOiJIUzI1NiJ9" + payload
    assert make_redact(REDACTED)(text) == "mine: [redacted]"


def test_patterns_may_span_escapes() -> None:
    redact = make_redact([r"name:\\n\w+", r"\bProject \w+"])
    assert redact(r"name:\nAda \nProject Tide") == r"[redacted] \n[redacted]"


def test_what_is_no_secret_stays() -> None:
    text = json.dumps({"text": "a\nb \u00e9 c:\\new ask-me-anything-you-like eyJ.b"})
    assert make_redact(REDACTED)(text) == text
