"""What a process that loads makes of its job before it begins."""

import pytest
from tests.support.benching import make_plan

from headrace.bench.load.messages import Job
from headrace.bench.load.worker import prepare


@pytest.mark.parametrize(
    ("host", "named"),
    [("127.0.0.1", b"127.0.0.1:8080"), ("localhost", b"localhost:8080"), ("::1", b"[::1]:8080")],
)
def test_requests_name_their_target_as_a_url_does(host: str, named: bytes) -> None:
    job = Job(
        plan=make_plan(),
        host=host,
        port=8080,
        credential=None,
        worker=0,
        workers=1,
        rows_max=0,
        spins=False,
        nonce="",
    )
    _, request = prepare(job)[0].make(0)
    assert b"\r\nhost: " + named + b"\r\n" in request.lower()
