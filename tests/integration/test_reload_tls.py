"""Certificates are read again by a reload: the gateway's own, and whom it trusts."""

import ssl
from pathlib import Path

import pytest
import trustme
from tests.support.gateway import Gateway
from tests.support.house import OPENAI
from tests.support.waiting import eventually
from tests.support.wire import ask, connect, encode_request

from headrace.sim.options import SimOptions
from headrace.sim.thread import running

READY = encode_request("/readyz")


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def write_certificate(
    authority: trustme.CA, folder: Path, key_type: trustme.KeyType = trustme.KeyType.ECDSA
) -> dict[str, str]:
    """A certificate and its key, where those before them were."""
    issued = authority.issue_cert("127.0.0.1", key_type=key_type)
    files = {"cert": str(folder / "cert.pem"), "key": str(folder / "key.pem")}
    Path(files["cert"]).write_bytes(b"".join(p.bytes() for p in issued.cert_chain_pems))
    Path(files["key"]).write_bytes(issued.private_key_pem.bytes())
    return files


def test_the_gateways_own(tmp_path: Path):
    old, new = trustme.CA(), trustme.CA()
    # Of two types: a context that has both would go on presenting the old one.
    tls = write_certificate(old, tmp_path, trustme.KeyType.RSA)
    lane = {"dialect": "openai", "base_url": "http://127.0.0.1:9", "warm_connections": 0}
    settings = {"providers": {"p": lane}, "listen": {"tls": tls}}
    with (
        Gateway(tmp_path / "gateway", settings) as gateway,
        connect(gateway.url, tls=trusting(old)) as before,
    ):
        write_certificate(new, tmp_path)
        Path(tls["key"]).write_text("no key")
        told = gateway.reload()
        assert (told["event"], "listen.tls" in told["detail"]) == ("reload_refused", True)
        assert ask(gateway.url, READY, tls=trusting(old)).status == 200
        write_certificate(new, tmp_path)
        assert gateway.reload()["event"] == "reloaded"
        assert ask(gateway.url, READY, tls=trusting(new)).status == 200
        with pytest.raises(ssl.SSLCertVerificationError):
            ask(gateway.url, READY, tls=trusting(old))
        before.send(READY)  # who came before the reload stays
        assert before.response().status == 200


@pytest.mark.parametrize("workers", [1, 2])
def test_whom_a_provider_is_trusted_by(tmp_path: Path, workers: int):
    authority, other = trustme.CA(), trustme.CA()
    files = write_certificate(authority, tmp_path)
    ca_file = tmp_path / "ca.pem"
    other.cert_pem.write_to_path(str(ca_file))
    options = SimOptions(tls_cert_file=files["cert"], tls_key_file=files["key"])
    with running(options) as sim:
        lane = {"dialect": "openai", "base_url": f"{sim.url}/v1", "ca_file": str(ca_file)}
        settings = {"providers": {"p": lane}, "listen": {"workers": workers}}
        with Gateway(tmp_path / "gateway", settings) as gateway:
            refused = gateway.post(OPENAI.path, OPENAI.document("p/one"))
            assert (refused.status, refused.error["code"]) == (502, "upstream_tls")
            authority.cert_pem.write_to_path(str(ca_file))
            gateway.reload()
            eventually(lambda: len(gateway.reloads()) == workers)
            assert gateway.post(OPENAI.path, OPENAI.document("p/two")).status == 200
