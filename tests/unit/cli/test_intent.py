"""`headrace intent` as it is typed: what it prints, writes and refuses."""

import os
import subprocess
from pathlib import Path

from tests.support import headrace_process

LINES = "".join(
    f"{intent}\t{text} {more}\n"
    for intent, texts in (
        ("ship", ("where is my parcel", "track the parcel", "parcel late")),
        ("pay", ("card declined", "cannot pay by card", "card error")),
        ("unknown", ("do penguins fly", "lovely sunrise", "sing a tune")),
    )
    for text in texts
    for more in ("", "please", "now", "today")
)


def run(*arguments: object, stdin: bytes = b"") -> subprocess.CompletedProcess[str]:
    return headrace_process.run(
        *("intent", *map(str, arguments)),
        environment={**os.environ, "COLUMNS": "100"},
        stdin=stdin,
        timeout_s=100.0,
    )


def test_weights_are_trained_checked_and_used(tmp_path: Path) -> None:
    lines, out = tmp_path / "lines.tsv", tmp_path / "intents.npz"
    lines.write_text(LINES + "pay\tCARD   declined\none\tclose it\n")
    done = run("train", lines, "--out", out)
    assert (done.returncode, done.stderr) == (0, "")
    assert "37 lines, 1 that were there before left out" in done.stdout
    assert "one has 1 line: too few" in done.stdout
    for shown in ("precision", "recall", "accuracy", "unknown, AUROC", "3 intents"):
        assert shown in done.stdout

    held = tmp_path / "held.jsonl"
    held.write_text(
        '{"text": "my parcel is not here", "intent": "ship"}\n{"text": "x", "intent": "other"}\n'
    )
    checked = run("check", out, held)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert "not in the weights, so counted as unknown: other" in checked.stdout
    assert "accuracy          1.000" in checked.stdout

    assert run("classify", out, "the card was declined").stdout.startswith("pay  ")
    assert run("classify", out, "-", stdin=b"where is the parcel").stdout.startswith("ship  ")


def test_without_a_place_nothing_is_written(tmp_path: Path) -> None:
    lines = tmp_path / "lines.tsv"
    lines.write_text(LINES)
    done = run("train", lines)
    assert done.returncode == 0
    assert "Nothing is written" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["lines.tsv"]


def test_what_cannot_be_used_is_told(tmp_path: Path) -> None:
    lines, broken = tmp_path / "lines.tsv", tmp_path / "broken.npz"
    broken.write_bytes(b"PK nonsense")
    lines.write_text("ship\tone\nno tab here\n")
    for arguments, why in (
        (("train", tmp_path / "nowhere.tsv"), "cannot be read"),
        (("train", lines), "line 2: expected the intent, a tab"),
        (("check", broken, lines), "these weights cannot be used"),
        (("classify", broken, "text"), "these weights cannot be used"),
    ):
        done = run(*arguments)
        assert done.returncode == 1
        assert why in done.stderr
    lines.write_text("ship\tone\npay\ttwo\nunknown\tthree\n")
    few = run("train", lines)
    assert (few.returncode, few.stdout) == (1, "")
    assert "found 1 of pay, 1 of ship" in few.stderr
    lines.write_text("ship\tone\n")
    assert "expected lines of 2 to 512 intents, found 1" in run("train", lines).stderr
