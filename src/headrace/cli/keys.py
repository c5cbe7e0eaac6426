"""`headrace keys`."""

import getpass
import sys
from typing import Final

import typer

from headrace.cli import key_commands

app = typer.Typer(no_args_is_help=True, help="Work with API keys of this gateway.")

_EPILOG: Final = """Example:

printf %s "$APP_KEY" | headrace keys digest

and then in the settings file  keys: \\[{digest: ..., tenant: app}]"""


@app.callback()
def root() -> None:
    """Work with API keys of this gateway."""


@app.command(epilog=_EPILOG)
def digest() -> None:
    """Print the digest of a key for the settings file, so that the file holds no key.

    The key is read from standard input, or asked for without showing it.
    """
    from headrace.errors import SettingsInvalid
    from headrace.settings.values import credential_problem, key_digest

    key = getpass.getpass("Key: ") if sys.stdin.isatty() else sys.stdin.readline()
    key = key.rstrip("\r\n")
    problem = credential_problem(key)
    if problem is not None:
        raise SettingsInvalid(f"this is no key: {problem}")
    typer.echo(key_digest(key.encode()).hex())


key_commands.add_to(app)
