"""What can be set of choosing a model by what a request wants."""

from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import Meta

from headrace.settings import values
from headrace.settings.bounded import Duration, Filled, ModelName

IntentName = Annotated[str, Meta(extra={"check": values.intent_problem})]
VariableName = Annotated[str, Meta(extra={"check": values.variable_problem})]

# As many as have series of their own in the metrics.
ROUTES_MAX = 64


class IntentRuleSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Words and patterns that say at once what a text wants.

    Attributes:
        intent: what it wants then.
        words: words, or several in a row, in whatever case.
        patterns: regular expressions of RE2, which take linear time whatever they are.
    """

    intent: IntentName
    words: tuple[Filled, ...] = ()
    patterns: tuple[Filled, ...] = ()


class IntentTemplateSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The template that requests of one intent are put into.

    Attributes:
        name: which one: `name`, `name@label` or `name@3`.
        turn: the variable that takes what the user said last, which the template then says in its
            place; `None`: the conversation goes on behind the template as it is.
        variables: what the others hold.
    """

    shorthand: ClassVar[str] = "name"

    name: Filled
    turn: VariableName | None = None
    variables: dict[VariableName, str] = {}


class IntentRouteSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How requests of one intent are served; what is not set stays as it is.

    Attributes:
        model: who answers; `None`: the default.
        priority: whose turn comes first, where the caller says nothing.
        cache: whether answers are looked up and stored.
        ttl_s: how long answers are fresh, where the caller says nothing.
        template: what requests are put into that name no template themselves.
    """

    shorthand: ClassVar[str] = "model"

    model: ModelName | None = None
    priority: Literal["high", "normal", "low", "batch"] | None = None
    cache: bool = True
    ttl_s: Duration | None = None
    template: IntentTemplateSettings | None = None


class IntentsSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A name callers use, answered by one of several models, by what the request wants.

    Attributes:
        default: who answers what is unknown, and intents that have no route.
        weights: file that `headrace intent train` wrote.
        rules: what decides before the weights; the first that fits.
        routes: by the name of the intent; `unknown` is for what is of none.
    """

    default: ModelName
    weights: Filled | None = None
    rules: tuple[IntentRuleSettings, ...] = ()
    routes: dict[IntentName, IntentRouteSettings] = {}


Intents = dict[ModelName, IntentsSettings]
