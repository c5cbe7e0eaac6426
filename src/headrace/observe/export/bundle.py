"""All files that can be written, by name."""

from collections.abc import Mapping
from typing import Final

from headrace.observe.export.alertmanager import ALERTMANAGER_YAML
from headrace.observe.export.alerts import alert_groups
from headrace.observe.export.dashboard import dashboard_json
from headrace.observe.export.panels import sections_for
from headrace.observe.export.rule import rules_yaml
from headrace.observe.export.slo_rules import slo_groups
from headrace.settings.slos import Slo

DASHBOARD: Final = "headrace-dashboard.json"
RULES: Final = "headrace-rules.yml"
ROUTES: Final = "alertmanager-example.yml"
RUNBOOK: Final = "docs/monitoring.md#"


def files(slos: tuple[Slo, ...], runbook: str = RUNBOOK) -> Mapping[str, str]:
    """Every file with what stands in it.

    Args:
        slos: the service levels to watch.
        runbook: where alerts are explained; the alert's name in small letters is appended.
    """
    return {
        DASHBOARD: dashboard_json(sections_for(slos)),
        RULES: rules_yaml((*slo_groups(slos), *alert_groups()), runbook),
        ROUTES: ALERTMANAGER_YAML,
    }
