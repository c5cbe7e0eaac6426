"""The exported rules as Prometheus' own tools read and run them."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
from tests.support.rule_cases import CASES, EVERY, SLO_CASES, cases
from typer.testing import CliRunner

from headrace.cli.main import app
from headrace.observe.export.alerts import ALERTS, alert_groups
from headrace.observe.export.slo_rules import slo_groups
from headrace.observe.slo_burns import BURNS
from headrace.settings.slos import USUAL_SLOS

# Half a minute where nobody else wants the processor; who is given little of one still ends.
_TIMEOUT_S: Final = 1200.0


def needs(program: str) -> Any:
    """Skips where a tool is not installed."""
    return pytest.mark.skipif(
        shutil.which(program) is None, reason=f"{program} is not installed (Debian: prometheus*)"
    )


def run(*arguments: str, folder: Path) -> str:
    """What a tool says; the test fails with it where the tool does."""
    done = subprocess.run(
        arguments, cwd=folder, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where everything was exported to."""
    done = CliRunner().invoke(app, ["observe", "export", "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    return tmp_path / "out"


def test_what_is_asked_for_is_written(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["observe", "export", "--prometheus", "--out", str(tmp_path)])
    assert done.exit_code == 0
    assert [file.name for file in tmp_path.iterdir()] == ["headrace-rules.yml"]


def test_everything_is_written_where_nothing_is_named(folder: Path) -> None:
    assert sorted(file.name for file in folder.iterdir()) == [
        "alertmanager-example.yml",
        "headrace-dashboard.json",
        "headrace-rules.yml",
    ]


def test_every_alert_has_its_cases() -> None:
    assert set(CASES) == {alert.name for alert in ALERTS}
    assert set(SLO_CASES) == {
        (f"HeadraceSloBurns{burn.name}", slo.name) for burn in BURNS for slo in USUAL_SLOS
    }


@needs("promtool")
def test_promtool_accepts_the_rules(folder: Path) -> None:
    assert "SUCCESS" in run("promtool", "check", "rules", "headrace-rules.yml", folder=folder)


@needs("promtool")
@pytest.mark.heavy
@pytest.mark.timeout(_TIMEOUT_S + 60)
@pytest.mark.parametrize("every", EVERY)
def test_every_alert_fires_when_it_should_and_only_then(folder: Path, every: str) -> None:
    # JSON is YAML.
    told = {
        "rule_files": ["headrace-rules.yml"],
        "evaluation_interval": every,
        # Else they come in any order, and alerts may look before there is anything to see.
        "group_eval_order": [group.name for group in (*slo_groups(USUAL_SLOS), *alert_groups())],
        "tests": list(cases(every)),
    }
    (folder / "cases.yml").write_text(json.dumps(told), "utf-8")
    run("promtool", "test", "rules", "cases.yml", folder=folder)


@needs("promtool")
def test_what_an_alert_says_can_be_read(folder: Path) -> None:
    wanted = {
        "exp_labels": {"severity": "ticket", "job": "headrace", "instance": "a", "standby": "1"},
        "exp_annotations": {
            "summary": "Standby 1 of a is late, or left out",
            "runbook": "docs/monitoring.md#headracestandbylate",
        },
    }
    late = {
        "interval": "1m",
        "input_series": [
            {
                "series": 'headrace_standby_lag_seconds{job="headrace",instance="a",standby="1"}',
                "values": "30x60",
            }
        ],
        "alert_rule_test": [
            {"eval_time": "30m", "alertname": "HeadraceStandbyLate", "exp_alerts": [wanted]}
        ],
    }
    told = {"rule_files": ["headrace-rules.yml"], "tests": [late]}
    (folder / "cases.yml").write_text(json.dumps(told), "utf-8")
    run("promtool", "test", "rules", "cases.yml", folder=folder)


@needs("amtool")
def test_amtool_accepts_the_routes(folder: Path) -> None:
    told = run("amtool", "check-config", "alertmanager-example.yml", folder=folder)
    assert "SUCCESS" in told
