"""The values settings are made of: secrets that do not print, origins, and what each text may be.

A check takes a text and returns what is wrong with it, or `None`. No check repeats the text it
was given: it may hold a credential.
"""

import hashlib
import re
from typing import Final, Literal
from urllib.parse import urlsplit

import msgspec

from headrace.model import DialectName

KEY_DIGEST_BYTES: Final = 32
LOCAL_EMBEDDER: Final = "local:"
EMBEDDER_JUDGES: Final = "embedder"
MODEL_PATTERN_CHARS_MAX: Final = 256

_INTENT_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_VISIBLE_ASCII: Final = re.compile(r"[!-~]+")
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE: Final = re.compile(r"[ -~]*")
_PROVIDER_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_HOST: Final = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+")
_KEY_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,32}")
_SECRET_CHARS_MIN: Final = 32
_DIGEST: Final = re.compile(rf"[0-9a-f]{{{2 * KEY_DIGEST_BYTES}}}")


class Secret:
    """A text that shows itself only when asked to: `repr` and `str` are masked.

    Args:
        value: the text to keep.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The text itself."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    def __str__(self) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)


class Origin(msgspec.Struct, frozen=True):
    """Where a provider listens.

    Attributes:
        scheme: `http` or `https`.
        host: lower-case name or address; IPv6 without brackets.
        port: the port, the scheme's own where the URL names none.
        prefix: path before every operation's path, without a trailing slash; may be empty.
    """

    scheme: Literal["http", "https"]
    host: str
    port: int
    prefix: str

    @property
    def is_tls(self) -> bool:
        """Whether connections are encrypted."""
        return self.scheme == "https"

    @property
    def authority(self) -> str:
        """What the `host` header holds: the port only where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _default_port(self.scheme) else f"{host}:{self.port}"


def parse_origin(base_url: str, dialect: DialectName) -> Origin:
    """Take a base URL apart.

    The base URL of Anthropic's SDK has no version, OpenAI's does: `/v1` is appended to the
    former where it is missing, so that both prefixes are versioned.

    Raises:
        ValueError: the URL cannot be used; the message says why and does not repeat it.
    """
    problem = base_url_problem(base_url)
    if problem is not None:
        raise ValueError(problem)
    parts = urlsplit(base_url)
    scheme: Literal["http", "https"] = "https" if parts.scheme == "https" else "http"
    prefix = parts.path.rstrip("/")
    if dialect == "anthropic" and not prefix.endswith("/v1"):
        prefix += "/v1"
    port = _default_port(scheme) if parts.port is None else parts.port
    return Origin(scheme=scheme, host=parts.hostname or "", port=port, prefix=prefix)


def key_digest(key: bytes) -> bytes:
    """What is kept of an API key: its BLAKE2b digest of 32 bytes."""
    return hashlib.blake2b(key, digest_size=KEY_DIGEST_BYTES).digest()


def key_name_problem(text: str) -> str | None:
    """What keeps `text` from being what pages call a provider's key."""
    if _KEY_NAME.fullmatch(text):
        return None
    return "expected 1 to 32 letters, digits and . _ -; the name is shown, so it is not the key"


def base_url_problem(text: str) -> str | None:
    """What keeps `text` from being the base URL of a provider."""
    if not _VISIBLE_ASCII.fullmatch(text):
        return "expected an http:// or https:// URL of visible ASCII characters without spaces"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return "expected a URL whose host and port (0 to 65535) can be read"
    if parts.scheme not in ("http", "https"):
        return "expected a URL that begins with http:// or https://"
    if "@" in parts.netloc:
        return "a user or password in the URL is not sent; put the credential into api_key"
    if "?" in text or "#" in text:
        return "expected a URL without query and fragment"
    if port == 0 or not _HOST.fullmatch(parts.hostname or ""):
        return "expected a URL with a host, such as https://api.example.com/v1"
    return None


def provider_name_problem(text: str) -> str | None:
    """What keeps `text` from naming a provider."""
    if _PROVIDER_NAME.fullmatch(text):
        return None
    return "a provider's name is made of letters, digits and . _ - and begins with one of the first"


def model_name_problem(text: str) -> str | None:
    """What keeps `text` from naming a model."""
    if _VISIBLE_ASCII.fullmatch(text):
        return None
    return "a model's name is made of visible ASCII characters without spaces"


def model_pattern_problem(text: str) -> str | None:
    """What keeps `text` from being a pattern of models' names."""
    if _VISIBLE_ASCII.fullmatch(text) and len(text) <= MODEL_PATTERN_CHARS_MAX:
        return None
    return (
        f"expected at most {MODEL_PATTERN_CHARS_MAX} visible ASCII characters without spaces; "
        "`*` stands for any, as in gpt-4o*"
    )


def intent_problem(text: str) -> str | None:
    """What keeps `text` from naming an intent."""
    if _INTENT_NAME.fullmatch(text):
        return None
    return "an intent's name is made of at most 64 ASCII letters, digits, `.`, `_` and `-`"


def variable_problem(text: str) -> str | None:
    """What keeps `text` from being the name of a template's variable."""
    if text.isidentifier():
        return None
    return "a variable is called by letters, digits and _, and does not begin with a digit"


def target_problem(text: str) -> str | None:
    """What keeps `text` from being a target."""
    provider, slash, model = text.partition("/")
    if slash and _PROVIDER_NAME.fullmatch(provider) and _VISIBLE_ASCII.fullmatch(model):
        return None
    return "expected provider/model, such as openai/gpt-4o-mini"


def server_path_problem(text: str) -> str | None:
    """What keeps `text` from being a path on a server."""
    if text.startswith("/") and _VISIBLE_ASCII.fullmatch(text) and "#" not in text:
        return None
    return "expected a path from the root of the server, such as /health or /v1/models"


def embedder_problem(text: str) -> str | None:
    """What keeps `text` from naming an embedder."""
    local = text.removeprefix(LOCAL_EMBEDDER)
    if (local != text and local) or target_problem(text) is None:
        return None
    return "expected provider/model, or local:MODEL for sentence-transformers in this process"


def judge_problem(text: str) -> str | None:
    """What keeps `text` from naming who compares answers."""
    if text == EMBEDDER_JUDGES or target_problem(text) is None:
        return None
    return f"expected provider/model, or {EMBEDDER_JUDGES}"


def header_name_problem(text: str) -> str | None:
    """What keeps `text` from naming a header to send to a provider."""
    if not _HEADER_NAME.fullmatch(text):
        return "a header's name is made of letters, digits and !#$%&'*+.^_`|~-"
    if text.lower() in ("content-length", "transfer-encoding", "connection", "host"):
        return "this header belongs to the connection and cannot be set"
    return None


def header_value_problem(text: str) -> str | None:
    """What keeps `text` from being sent as a header's value."""
    if _HEADER_VALUE.fullmatch(text) and text == text.strip():
        return None
    return "expected printable ASCII without spaces or line breaks at its ends"


def credential_problem(text: str) -> str | None:
    """What keeps `text` from being an API key."""
    if _VISIBLE_ASCII.fullmatch(text):
        return None
    return "expected a key of visible ASCII characters without spaces or line breaks"


def session_secret_problem(text: str) -> str | None:
    """What keeps `text` from being what sessions are signed by: who guesses it is administrator."""
    if len(text) >= _SECRET_CHARS_MIN and _VISIBLE_ASCII.fullmatch(text):
        return None
    return (
        f"expected at least {_SECRET_CHARS_MIN} visible ASCII characters without spaces: "
        "`openssl rand -hex 32` makes some"
    )


def digest_problem(text: str) -> str | None:
    """What keeps `text` from being the digest of an API key."""
    if _DIGEST.fullmatch(text):
        return None
    return "expected 64 hexadecimal digits in lower case, as `headrace keys digest` prints them"


def cors_origin_problem(text: str) -> str | None:
    """What keeps `text` from being an origin that browsers send."""
    if text == "*" or re.fullmatch(r"[a-z][a-z0-9+.-]*://[^\s/?#@]+", text):
        return None
    return "expected `*` or an origin without path, such as https://app.example.com"


def filled_problem(text: str) -> str | None:
    """What keeps `text` from being a value at all."""
    if text.strip() and text.isprintable():
        return None
    return "expected a text that is not empty and holds no control characters"


def _default_port(scheme: str) -> int:
    return 443 if scheme == "https" else 80
