"""Under which name a provider of the settings stands in the tables that ship with the package."""

from collections.abc import Container, Mapping
from typing import Final

_ID_BY_NICKNAME: Final[Mapping[str, str]] = {
    "claude": "anthropic",
    "gemini": "google",
    "grok": "x-ai",
    "mistralai": "mistral",
    "together-ai": "together",
    "together_ai": "together",
    "togetherai": "together",
    "vertex": "google",
    "xai": "x-ai",
}


def table_name(provider: str, dialect: str, known: Container[str]) -> str:
    """The name in a table; a provider that is in none counts as the home of its dialect.

    Args:
        provider: its name in the settings, in lower case.
        dialect: what it speaks; its home has the same name.
        known: the names in the table.
    """
    name = _ID_BY_NICKNAME.get(provider, provider)
    return name if name in known else dialect
