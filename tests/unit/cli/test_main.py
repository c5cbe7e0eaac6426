"""The command line as a user meets it: in a process of its own."""

import ctypes
import os
import pty
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path

import pytest
from tests.support import headrace_process

from headrace import __version__

MAIN = (sys.executable, "-m", "headrace.cli.main")
# Nothing of the caller's environment that could be a provider or change how help is printed.
KEPT = {name: value for name, value in os.environ.items() if name in ("PATH", "PYTHONPATH", "HOME")}
GOOD = "providers: {a: {dialect: openai, base_url: 'http://127.0.0.1:9/v1', api_key: sesame}}\n"


def give_up_root() -> None:
    """Be bound by the owners and modes of files, which root is not (capabilities(7))."""
    drop_from_bounds, dac_override, dac_read_search = 24, 1, 2
    for capability in (dac_override, dac_read_search):
        ctypes.CDLL(None).prctl(drop_from_bounds, capability, 0, 0, 0)


def run(
    *arguments: str | Path,
    stdin: str = "",
    before: Callable[[], None] | None = None,
    **environment: str,
) -> subprocess.CompletedProcess[str]:
    kept = {**KEPT, "COLUMNS": "120", **environment}
    if before is None:
        return headrace_process.run(*map(str, arguments), environment=kept, stdin=stdin.encode())
    return subprocess.run(
        (*MAIN, *arguments),
        preexec_fn=before,
        input=stdin,
        env=kept,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["demo", "serve", "sim", "config", "keys", "--version", "http://127.0.0.1:8080/v1"]),
        (["serve"], ["--config", "--host", "--port", "--workers", "--data-dir", "OPENAI_API_KEY"]),
        (
            ["sim"],
            ["--port", "--profile", "--seed", "--fail-rate", "--rate-limit", "--capacity", "9100"],
        ),
        (["demo"], ["--once", "--port"]),
        (["config", "check"], ["FILE", "file:line:col"]),
        (["keys", "digest"], ["standard input", "digest: ..."]),
    ],
)
def test_help_teaches(arguments: list[str], words: list[str]) -> None:
    done = run(*arguments, "--help")
    assert done.returncode == 0
    assert [word for word in words if word not in done.stdout] == []


def test_version() -> None:
    done = run("--version")
    assert (done.returncode, done.stdout) == (0, f"headrace {__version__}\n")


def test_help_loads_nothing_heavy_and_the_package_stays_bare() -> None:
    code = (
        "import sys, headrace\n"
        "print([name for name in sys.modules if name.startswith('headrace.')])\n"
        "from headrace.cli import main\n"
        "main.app(['--help'], standalone_mode=False)\n"
        "heavy = {'asyncio', 'uvloop', 'httptools', 'starlette', 'yaml', 'headrace.settings'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        (sys.executable, "-c", code), env=KEPT, capture_output=True, text=True, timeout=60
    )
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert (lines[0], lines[-1]) == ("['headrace.version']", "[]")


@pytest.mark.parametrize(
    "arguments",
    [["nope"], ["serve", "--port", "70000"], ["sim", "--profile", "slow"], ["config", "check"]],
)
def test_wrong_usage_exits_2(arguments: list[str]) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_serve_without_providers_says_what_to_set() -> None:
    done = run("serve")
    assert done.returncode == 1
    assert done.stderr.startswith("headrace: no provider is set.")
    assert "OPENAI_API_KEY" in done.stderr
    assert "Traceback" not in done.stderr


def test_serve_refuses_strangers_without_keys_whoever_names_the_host(tmp_path: Path) -> None:
    done = run("serve", "--host", "0.0.0.0", OPENAI_API_KEY="k")
    assert (done.returncode, "no keys are set" in done.stderr) == (1, True)
    path = tmp_path / "h.yaml"
    path.write_text(GOOD + "listen: {host: '::'}\n")
    done = run("serve", "--config", path)
    assert (done.returncode, "no keys are set" in done.stderr) == (1, True)


def test_a_port_that_is_taken_is_told_without_a_traceback() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = run("sim", "--port", str(taken.getsockname()[1]))
    assert done.returncode == 1
    assert done.stderr.startswith("headrace: ")
    assert "in use" in done.stderr
    assert "Traceback" not in done.stderr


def test_config_check_says_ok_and_what_is_set(tmp_path: Path) -> None:
    path = tmp_path / "h.yaml"
    semantic = "{enabled: true, embedder: a/embed}"
    more = "reuse: {enabled: true, ttl_s_min: 60, ttl_s_max: 90}, prefetch: {usd_per_hour: 0.5}"
    cache = f"{{shared: 'redis://:hush@h', durable: true, {more}, semantic: {semantic}}}"
    store = "{url: 'postgresql://:hush@h', replicas: ['postgresql://:hush@i']}"
    path.write_text(GOOD + f"models: {{m: {{targets: [a/x]}}}}\nstore: {store}\ncache: {cache}\n")
    done = run("config", "check", path)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "ok"
    assert ["a", "openai", "http://127.0.0.1:9/v1", "key"] in [line.split() for line in lines]
    assert ["m", "a/x", "in-order", "no", "price"] in [line.split() for line in lines]
    told = {line.rsplit("  ", 1)[0].strip(): line for line in lines}
    assert {"shared cache", "durable cache", "answers by meaning"} <= told.keys()
    assert "on, a/embed, judge: none" in done.stdout
    assert told["learnt reuse"].endswith("for 60 to 90 s")
    assert told["prefetch"].endswith("at most $0.5 an hour")
    assert lines[-1].split()[:2] == ["answers", "by"]
    assert "sesame" not in done.stdout
    assert "hush" not in done.stdout


def test_config_check_tells_of_prompts_and_wants_their_file(tmp_path: Path) -> None:
    path, prompts = tmp_path / "h.yaml", tmp_path / "p.jsonl"
    path.write_text(GOOD + f"cache: {{warm: {{file: {prompts}, at: 0 4 * * *}}}}\n")
    done = run("config", "check", path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"{path}:2:22: cache.warm.file: no such file")
    prompts.touch()
    done = run("config", "check", path)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{prompts}, 0 4 * * * UTC, at most $1" in done.stdout


def test_config_check_tells_every_problem_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "h.yaml"
    path.write_text(GOOD + "lisen: {}\ncache: {ttl: 1}\n")
    done = run("config", "check", path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        f"{path}:2:1: unknown key 'lisen'; did you mean listen?",
        f"{path}:3:9: cache: unknown key 'ttl'; did you mean ttl_s?",
    ]


def test_config_check_refuses_what_serve_would(tmp_path: Path) -> None:
    path = tmp_path / "h.yaml"
    path.write_text(GOOD + "listen: {host: 0.0.0.0}\n")
    done = run("config", "check", path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"{path}: listen.host is '0.0.0.0'")


def test_config_check_refuses_a_certificate_that_serve_could_not_use(tmp_path: Path) -> None:
    path = tmp_path / "h.yaml"
    cert = tmp_path / "cert.pem"
    cert.write_text("no certificate")
    path.write_text(GOOD + f"listen: {{tls: {{cert: {cert}, key: {cert}}}}}\n")
    done = run("config", "check", path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"{path}: listen.tls cannot be used: {cert} and {cert}")


def test_config_check_reads_the_weights_of_intents(tmp_path: Path) -> None:
    path, weights = tmp_path / "h.yaml", tmp_path / "intents.npz"
    weights.write_bytes(b"no weights")
    path.write_text(GOOD + f"intents: {{auto: {{default: a/m, weights: {weights}}}}}\n")
    done = run("config", "check", path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"{path}: intents.auto: these weights cannot be used")


def test_config_check_refuses_an_authority_that_serve_could_not_use(tmp_path: Path) -> None:
    path = tmp_path / "h.yaml"
    authority = tmp_path / "ca.pem"
    authority.write_text("no certificate")
    path.write_text(
        f"providers: {{p: {{dialect: openai, base_url: https://h, ca_file: {authority}}}}}\n"
    )
    done = run("config", "check", path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"{path}:1:64: providers.p.ca_file: no certificate in this file")
    assert "-----BEGIN CERTIFICATE-----" in done.stderr


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("missing/h.log", "its directory does not exist; create it"),
        ("h.yaml/h.log", "its directory does not exist"),
        (".", "a directory; name a file in it"),
    ],
)
def test_config_check_tries_the_log(tmp_path: Path, name: str, words: str) -> None:
    path = tmp_path / "h.yaml"
    path.write_text(GOOD + f"log:\n  file: {tmp_path / name}\n")
    done = run("config", "check", path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"{path}:3:9: log.file: ")
    assert words in done.stderr
    path.write_text(GOOD + f"log:\n  file: {tmp_path / 'h.log'}\n")
    assert run("config", "check", path).returncode == 0
    assert not (tmp_path / "h.log").exists()  # checking leaves nothing behind


@pytest.mark.parametrize("is_there", [False, True], ids=["directory", "file"])
def test_config_check_wants_a_log_it_may_write(tmp_path: Path, is_there: bool) -> None:
    path, folder = tmp_path / "h.yaml", tmp_path / "logs"
    folder.mkdir()
    log = folder / "h.log"
    path.write_text(GOOD + f"log:\n  file: {log}\n")
    if is_there:
        log.touch()
        log.chmod(0o444)
    else:
        folder.chmod(0o555)
    done = run("config", "check", path, before=give_up_root)
    assert done.stderr.startswith(f"{path}:3:9: log.file: ")
    assert "not writable for who asks; change" in done.stderr
    assert (done.returncode, done.stdout) == (1, "")


def test_keys_digest_reads_standard_input() -> None:
    wanted = blake2b(b"app-key", digest_size=32).hexdigest()
    assert run("keys", "digest", stdin="app-key\n").stdout == f"{wanted}\n"
    assert run("keys", "digest", stdin="app-key").stdout == f"{wanted}\n"
    refused = run("keys", "digest", stdin="\n")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "this is no key" in refused.stderr


def test_ctrl_c_at_the_prompt_exits_130_quietly() -> None:
    leader, follower = pty.openpty()
    # A session of its own: the prompt must not reach for the terminal of whoever runs the tests.
    with subprocess.Popen(
        (*MAIN, "keys", "digest"),
        stdin=follower,
        stdout=subprocess.PIPE,
        stderr=follower,
        env=KEPT,
        start_new_session=True,
    ) as process:
        shown = b""
        while b"Key: " not in shown:
            shown += os.read(leader, 1024)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 130
        assert process.stdout is not None
        assert process.stdout.read() == b""
    os.close(follower)
    assert b"Traceback" not in shown
    os.close(leader)


def test_the_package_runs_as_the_command() -> None:
    told = subprocess.run(
        (sys.executable, "-m", "headrace", "--version"),
        env=KEPT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert told.stdout == f"headrace {__version__}\n"
