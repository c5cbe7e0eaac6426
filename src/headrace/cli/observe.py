"""`headrace observe`."""

from pathlib import Path
from typing import Annotated, Final

import typer

app = typer.Typer(no_args_is_help=True, help="Have other programs watch a gateway.")

_EPILOG: Final = """Example:

headrace observe export --out monitoring && promtool check rules monitoring/headrace-rules.yml"""


@app.callback()
def root() -> None:
    """Have other programs watch a gateway: docs/monitoring.md"""


@app.command(epilog=_EPILOG)
def export(
    *,
    grafana: Annotated[bool, typer.Option("--grafana", help="Write the dashboard.")] = False,
    prometheus: Annotated[
        bool, typer.Option("--prometheus", help="Write recording rules and alerts.")
    ] = False,
    alertmanager: Annotated[
        bool, typer.Option("--alertmanager", help="Write an example of routes.")
    ] = False,
    out: Annotated[
        Path, typer.Option(help="Where to; made where it is not there.", metavar="DIR")
    ] = Path("monitoring"),
    config: Annotated[
        Path | None,
        typer.Option(help="Watch the service levels that this settings file declares."),
    ] = None,
    runbook: Annotated[
        str,
        typer.Option(
            help="Where your people read what to do; the alert's name is appended.", metavar="URL"
        ),
    ] = "docs/monitoring.md#",
) -> None:
    """Write what Grafana, Prometheus and Alertmanager need; all of it, unless some is named.

    Files of the same names are overwritten.
    """
    from headrace.observe.export.bundle import DASHBOARD, ROUTES, RULES, files
    from headrace.settings import load_settings
    from headrace.settings.slos import USUAL_SLOS

    slos = USUAL_SLOS if config is None else load_settings(config).slos
    asked = {DASHBOARD: grafana, RULES: prometheus, ROUTES: alertmanager}
    out.mkdir(parents=True, exist_ok=True)
    for name, text in files(slos, runbook).items():
        if asked[name] or not any(asked.values()):
            (out / name).write_text(text, "utf-8")
            typer.echo(out / name)
