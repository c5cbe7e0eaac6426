"""What can be set, where it is read from, and everything that may be wrong with it."""

from headrace.settings.environment import from_environment
from headrace.settings.keys import KeySettings
from headrace.settings.ledger import check_journal
from headrace.settings.load import load_settings, parse_settings
from headrace.settings.log import LogSettings
from headrace.settings.rules import check_listen, is_loopback, notices
from headrace.settings.schema import (
    CacheSettings,
    ListenSettings,
    ProviderSettings,
    SemanticSettings,
    Settings,
    TlsSettings,
)
from headrace.settings.source import SettingsSource, read_settings
from headrace.settings.store import StoreSettings
from headrace.settings.targets import ModelSettings
from headrace.settings.telemetry import TelemetrySettings, check_telemetry
from headrace.settings.values import Origin, Secret

__all__ = (
    "CacheSettings",
    "KeySettings",
    "ListenSettings",
    "LogSettings",
    "ModelSettings",
    "Origin",
    "ProviderSettings",
    "Secret",
    "SemanticSettings",
    "Settings",
    "SettingsSource",
    "StoreSettings",
    "TelemetrySettings",
    "TlsSettings",
    "check_journal",
    "check_listen",
    "check_telemetry",
    "from_environment",
    "is_loopback",
    "load_settings",
    "notices",
    "parse_settings",
    "read_settings",
)
