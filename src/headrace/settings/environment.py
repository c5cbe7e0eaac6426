"""Settings without a file: the providers whose usual environment variables are set."""

from collections.abc import Mapping
from typing import Final

import msgspec

from headrace.errors import SettingsInvalid
from headrace.model import DialectName
from headrace.settings.keys import KeySettings
from headrace.settings.schema import ProviderSettings, Settings
from headrace.settings.values import Secret, base_url_problem, credential_problem


class KnownProvider(msgspec.Struct, frozen=True):
    """A provider that is known by its environment variables."""

    name: str
    base_url: str
    dialect: DialectName = "openai"

    @property
    def key_variable(self) -> str:
        """The variable that holds its API key."""
        return f"{self.name.upper()}_API_KEY"

    @property
    def url_variable(self) -> str:
        """The variable that replaces its public base URL."""
        return f"{self.name.upper()}_BASE_URL"


KNOWN_PROVIDERS: Final = (
    KnownProvider("openai", "https://api.openai.com/v1"),
    KnownProvider("anthropic", "https://api.anthropic.com", "anthropic"),
    KnownProvider("gemini", "https://generativelanguage.googleapis.com/v1beta/openai"),
    KnownProvider("mistral", "https://api.mistral.ai/v1"),
    KnownProvider("groq", "https://api.groq.com/openai/v1"),
    KnownProvider("deepseek", "https://api.deepseek.com/v1"),
    KnownProvider("openrouter", "https://openrouter.ai/api/v1"),
    KnownProvider("together", "https://api.together.xyz/v1"),
    KnownProvider("xai", "https://api.x.ai/v1"),
)

_NOTHING_SET: Final = """\
no provider is set. Do one of these:
  - set the API key of a provider: export OPENAI_API_KEY=..., or ANTHROPIC_API_KEY, {others};
    *_BASE_URL (OPENAI_BASE_URL=http://127.0.0.1:9100/v1) points one of them elsewhere
  - write a file and start with `headrace serve --config headrace.yaml`:
      providers:
        openai:
          dialect: openai
          base_url: https://api.openai.com/v1
          api_key: ${{OPENAI_API_KEY}}
  - see it work first: `headrace demo` needs neither"""


def from_environment(environment: Mapping[str, str]) -> Settings:
    """The settings of `headrace serve` without a file.

    Every known provider with an API key or a base URL in the environment is there under its
    name; `HEADRACE_KEY` is a key for the tenant `default`. Empty variables count as not set.

    Raises:
        SettingsInvalid: no provider is set, or a variable cannot be used.
    """
    problems: list[str] = []
    providers = {
        known.name: provider
        for known in KNOWN_PROVIDERS
        if (provider := _provider(known, environment, problems)) is not None
    }
    keys: tuple[KeySettings, ...] = ()
    own_key = environment.get("HEADRACE_KEY")
    if own_key:
        _note(problems, "HEADRACE_KEY", credential_problem(own_key))
        keys = (KeySettings(key=Secret(own_key), tenant="default"),)
    if problems:
        raise SettingsInvalid("\n".join(problems))
    if not providers:
        others = ", ".join(known.key_variable for known in KNOWN_PROVIDERS[2:])
        raise SettingsInvalid(_NOTHING_SET.format(others=others))
    return Settings(providers=providers, keys=keys)


def _provider(
    known: KnownProvider, environment: Mapping[str, str], problems: list[str]
) -> ProviderSettings | None:
    api_key = environment.get(known.key_variable)
    base_url = environment.get(known.url_variable)
    if not api_key and not base_url:
        return None
    if api_key:
        _note(problems, known.key_variable, credential_problem(api_key))
    if base_url:
        _note(problems, known.url_variable, base_url_problem(base_url))
    return ProviderSettings(
        dialect=known.dialect,
        base_url=base_url or known.base_url,
        api_key=Secret(api_key) if api_key else None,
    )


def _note(problems: list[str], variable: str, problem: str | None) -> None:
    if problem is not None:
        problems.append(f"{variable}: {problem}")
