"""What a `connection` header names ends at this hop (RFC 9110, 7.6.1), in both directions."""

import json
from pathlib import Path

import pytest
from tests.support.gateway import Gateway
from tests.support.house import OPENAI
from tests.support.provider import scripted, sized, streamed

CHOICE = {"index": 0, "message": {"role": "assistant", "content": "t"}, "finish_reason": "stop"}
WHOLE = json.dumps({"choices": [CHOICE]}).encode()
NAMING = "Connection: X-Hop, close"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_named_headers_end_here(tmp_path: Path, stream: bool):
    with scripted() as provider:
        lane = {"dialect": "openai", "base_url": provider.url, "warm_connections": 0}
        hop = "x-hop: of this connection"
        end = "x-end: of the answer"
        if stream:
            lines = f"HTTP/1.1 200 OK\r\n{NAMING}\r\n{hop}\r\n{end}\r\n".encode()
            answer = streamed(b"data: [DONE]\n\n").replace(b"HTTP/1.1 200 OK\r\n", lines)
        else:
            answer = sized(WHOLE, headers=[hop, NAMING, end])
        provider.answers = [answer]
        with Gateway(tmp_path, {"providers": {"p": lane}}) as gateway:
            headers = {"traceparent": "hop", "idempotency-key": "end", "connection": "traceparent"}
            document = OPENAI.document("p/m", stream=stream)
            response = gateway.post(OPENAI.path, document, headers=headers)
            gateway.wait_until_quiet()
    assert response.status == 200
    assert response.headers["x-end"] == "of the answer"
    assert "x-hop" not in response.headers
    sent = provider.heads[0].lower()
    assert b"idempotency-key: end" in sent
    assert b"traceparent" not in sent
