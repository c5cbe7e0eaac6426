"""Starting and stopping the simulator, and its limits over real connections."""

import signal
import ssl
import subprocess
import sys
import urllib.request
from pathlib import Path

import openai
import pytest

from headrace.sim.options import SimOptions
from headrace.sim.pace import Profile
from headrace.sim.thread import running

ASK = [{"role": "user", "content": "hi"}]
SERVE = """
from headrace.sim.server import SimOptions, run
run(SimOptions(), lambda server: print(server.url, flush=True))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(number: int):
    with subprocess.Popen([sys.executable, "-c", SERVE], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        url = process.stdout.readline().decode().strip()
        with urllib.request.urlopen(f"{url}/healthz", timeout=60) as answer:
            assert answer.status == 200
        process.send_signal(number)
        assert process.wait(60) == 0


def test_an_address_in_use_is_an_error():
    with (
        running(SimOptions()) as sim,
        pytest.raises(OSError, match="in use"),
        running(SimOptions(port=sim.port)),
    ):
        pass


def test_it_speaks_tls(tmp_path: Path):
    trustme = pytest.importorskip("trustme")
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    cert, key, ca = (str(tmp_path / name) for name in ("cert.pem", "key.pem", "ca.pem"))
    issued.cert_chain_pems[0].write_to_path(cert)
    issued.private_key_pem.write_to_path(key)
    authority.cert_pem.write_to_path(ca)
    context = ssl.create_default_context(cafile=ca)
    with running(SimOptions(tls_cert_file=cert, tls_key_file=key)) as sim:
        assert sim.url.startswith("https://")
        with urllib.request.urlopen(f"{sim.url}/healthz", timeout=60, context=context) as answer:
            assert answer.status == 200


def test_a_profile_with_latency_streams_all_tokens():
    with running(SimOptions(profile=Profile.FAST)) as sim:
        client = openai.OpenAI(base_url=f"{sim.url}/v1", api_key="k", max_retries=0)
        asked = {"model": "m", "messages": ASK, "extra_headers": {"x-sim-tokens": "12"}}
        with client, client.chat.completions.create(**asked, stream=True) as stream:
            chunks = list(stream)
            whole = client.chat.completions.create(**asked)
    assert len(chunks) == 14
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == (
        whole.choices[0].message.content
    )


def test_the_rate_limit_reaches_the_sdk():
    with (
        running(SimOptions(rate_limit_rpm=1)) as sim,
        openai.OpenAI(base_url=f"{sim.url}/v1", api_key="k", max_retries=0) as client,
    ):
        client.chat.completions.create(model="m", messages=ASK)
        with pytest.raises(openai.RateLimitError) as caught:
            client.chat.completions.create(model="m", messages=ASK)
    assert 1 <= int(caught.value.response.headers["retry-after"]) <= 60
