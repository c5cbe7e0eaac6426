"""From where on somebody is told: what the rules for Prometheus and the console have in common."""

from typing import Final

ERROR_SHARE: Final = 0.01
"""Of answers that fail."""
PROVIDER_ERROR_SHARE: Final = 0.05
"""Of calls to a provider that fail."""
LOOP_LATE_S: Final = 0.25
"""By how much one timer in a hundred is late."""
CPU_SHARE: Final = 0.7
"""Of a core that each worker uses."""
MEMORY_BYTES: Final = 2 * 2**30
"""What the workers of a gateway take together."""
QUOTA_SHARE: Final = 0.9
"""Of what a provider allows a key."""
BUDGET_SHARE: Final = 0.9
"""Of a budget that is spent or held."""
STANDBY_LATE_S: Final = 10.0
"""By how much a standby is behind."""
STORE_ERRORS_PER_S: Final = 0.1
"""Queries that fail."""
UNSEEN_S: Final = 60.0
"""For how long the store has told nothing."""
QUEUE_OLD_S: Final = 300.0
"""For how long a job has been waiting."""
HITS_FELL_TO: Final = 0.5
"""Of the share of hits that there was at the same time a day before."""
HITS_ASKED_PER_S: Final = 0.1
"""Fewer requests than these say nothing of the share of hits."""
SPIKE_FACTOR: Final = 3.0
"""Times what the dearest hour of the week before cost."""
SPIKE_USD_PER_H: Final = 1.0
"""Less is no spike, whatever it is a multiple of."""
