"""What one worker counts of intents, tiers and experiments."""

from headrace.observe.families import CHOICE_WHY, CHOSEN_TIER, MODE
from headrace.observe.metrics import Metrics


class AimMetrics:
    """What is counted of intents, tiers and experiments.

    Args:
        metrics: the worker's metrics.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        choices = metrics.model_choices
        # Found beforehand, for what happens with every request.
        self._choices = {
            (tier, why, mode): choices.at(tier, why, mode)
            for tier in CHOSEN_TIER.values
            for why in CHOICE_WHY.values
            for mode in MODE.values
        }

    def intent_told(self, route: int, *, is_known: bool) -> None:
        """Count a request whose intent was told.

        Args:
            route: number of the route it took; 0: none.
            is_known: whether it is of an intent at all.
        """
        intents = self._metrics.intents
        intents.add(intents.at("known" if is_known else "unknown", route))

    def chosen(self, tier: str, why: str, mode: str) -> None:
        """Count a choice."""
        self._metrics.model_choices.add(self._choices[tier, why, mode])

    def saved(self, usd: float, mode: str) -> None:
        """Count what a choice saved, in US dollars; below zero where it cost more."""
        counter = (
            self._metrics.model_choice_saved_usd
            if usd >= 0
            else self._metrics.model_choice_extra_usd
        )
        counter.add(counter.at(mode), abs(usd))

    def unpriced(self) -> None:
        """Count a choice of which nobody knows what it saved."""
        self._metrics.model_choice_unpriced.increment()

    def arm_asked(self, arm: int) -> None:
        """Count a request that was put into an arm, by its number."""
        requests = self._metrics.arm_requests
        requests.add(requests.at(arm))

    def arm_answered(self, arm: int, seconds: float, usd: float, *, is_error: bool) -> None:
        """Count a call of an arm that its provider answered."""
        metrics = self._metrics
        metrics.arm_calls.add(metrics.arm_calls.at(arm))
        metrics.arm_seconds.add(metrics.arm_seconds.at(arm), seconds)
        metrics.arm_spent_usd.add(metrics.arm_spent_usd.at(arm), usd)
        if is_error:
            metrics.arm_errors.add(metrics.arm_errors.at(arm))

    def arm_failed(self, arm: int) -> None:
        """Count a call of an arm that got no whole answer."""
        metrics = self._metrics
        metrics.arm_calls.add(metrics.arm_calls.at(arm))
        metrics.arm_errors.add(metrics.arm_errors.at(arm))
