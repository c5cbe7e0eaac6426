"""The kinds of values that settings have, with the bounds and checks of each."""

from typing import Annotated

from msgspec import Meta

from headrace.settings import values
from headrace.settings.cron import cron_problem
from headrace.settings.values import Secret

Port = Annotated[int, Meta(ge=0, le=65535)]
Count = Annotated[int, Meta(ge=1, le=1_000_000_000)]
Seconds = Annotated[float, Meta(gt=0, le=31_536_000)]
Duration = Annotated[float, Meta(ge=0, le=31_536_000)]
Filled = Annotated[str, Meta(extra={"check": values.filled_problem})]
BaseUrl = Annotated[str, Meta(extra={"check": values.base_url_problem})]
ServerPath = Annotated[str, Meta(extra={"check": values.server_path_problem})]
ProviderName = Annotated[str, Meta(extra={"check": values.provider_name_problem})]
ModelName = Annotated[str, Meta(extra={"check": values.model_name_problem})]
ModelPattern = Annotated[str, Meta(extra={"check": values.model_pattern_problem})]
Target = Annotated[str, Meta(extra={"check": values.target_problem})]
EmbedderName = Annotated[str, Meta(extra={"check": values.embedder_problem})]
JudgeName = Annotated[str, Meta(extra={"check": values.judge_problem})]
HeaderName = Annotated[str, Meta(extra={"check": values.header_name_problem})]
HeaderValue = Annotated[Secret, Meta(extra={"check": values.header_value_problem})]
Credential = Annotated[Secret, Meta(extra={"check": values.credential_problem})]
SessionSecret = Annotated[Secret, Meta(extra={"check": values.session_secret_problem})]
FilledSecret = Annotated[Secret, Meta(extra={"check": values.filled_problem})]
Digest = Annotated[str, Meta(extra={"check": values.digest_problem})]
CronFields = Annotated[str, Meta(extra={"check": cron_problem})]
CorsOrigin = Annotated[str, Meta(extra={"check": values.cors_origin_problem})]
