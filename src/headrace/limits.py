"""The bounds that are not settings, each with the reason for its size."""

from typing import Final

# One head of each live client shape is enough; 1,024 of at most 4 KiB are 4 MiB at the worst.
HEAD_MEMO_ENTRIES_MAX: Final = 1024
HEAD_MEMO_BYTES_MAX: Final = 4096

# Heads sent upstream differ by provider, route and forwarded headers only.
UPSTREAM_HEAD_MEMO_ENTRIES_MAX: Final = 256

# Above this much unsent data a reader counts as slow and its upstream is paused.
WRITE_BUFFER_BYTES_HIGH: Final = 256 * 1024
WRITE_BUFFER_BYTES_LOW: Final = 64 * 1024

# A client that sends a file faster than it is read is paused above the first, until the second.
INLET_BYTES_HIGH: Final = 256 * 1024
INLET_BYTES_LOW: Final = 64 * 1024

# A file that is sent has to come at this many bytes in `listen.body_timeout_s` at the least.
INLET_STEP_BYTES: Final = 1024 * 1024

# What surrounds a file in its request: the names and values of the other parts of the form.
FORM_BYTES_MAX: Final = 64 * 1024

# Deadlines are checked this often, so every timeout is late by at most this much.
SWEEP_INTERVAL_S: Final = 0.1

# After a refusal the rest of the request is read and dropped this long, so the refusal arrives.
LINGER_S: Final = 2.0

# Callers waiting for a connection to one provider, beyond which they are refused at once.
POOL_WAITERS_MAX: Final = 4096

# Connections kept open ahead of calls, while the number of calls at once grows.
POOL_SPARES_MAX: Final = 32

# Calls that share one HTTP/2 connection: what every provider should allow (RFC 9113, 6.5.2).
H2_STREAMS_MAX: Final = 100

# What a slow reader of one HTTP/2 answer may leave unread; a connection has room for all of them.
H2_STREAM_WINDOW_BYTES: Final = 256 * 1024

# After this a connection takes no new calls: its provider's address may have changed.
H1_CONNECTION_S_MAX: Final = 300.0
H2_CONNECTION_S_MAX: Final = 300.0

# An HTTP/2 connection that carries calls is asked this often whether it is alive, and how long an
# answer may take.
H2_PING_S: Final = 20.0
H2_PING_TIMEOUT_S: Final = 10.0

# What waits to be written to one cache tier; beyond it the oldest is dropped.
TIER_QUEUE_BYTES_MAX: Final = 64 * 1024 * 1024
TIER_BATCH_ITEMS_MAX: Final = 256

# Nobody waits for a write, so it may take longer than a look-up.
TIER_WRITE_TIMEOUT_S: Final = 2.0

# At boot this many answers at most come up from the durable tier, and this share of the room.
WARM_ENTRIES_MAX: Final = 10_000
WARM_SHARE_MAX: Final = 0.5

# A file of prompts is held as a whole while they are asked.
WARM_FILE_BYTES_MAX: Final = 32 * 1024 * 1024
WARM_FILE_LINES_MAX: Final = 100_000

# Raw bodies that lead to one cache entry without being parsed.
REPEATS_PER_ENTRY_MAX: Final = 4

# Expired entries that leave memory in one sweep, about 2 µs each; whatever is left over waits for
# the next.
EXPIRED_PER_SWEEP_MAX: Final = 256

# Uses of entries that are counted in one sweep for the durable tier, about 0.1 µs each: more than
# there are hits in a process.
USES_PER_SWEEP_MAX: Final = 2048

# What an entry costs beyond its bytes: objects, keys and its place in two dictionaries.
ENTRY_OVERHEAD_BYTES: Final = 1536
REPEAT_OVERHEAD_BYTES: Final = 320

# A stream is kept whole this far for late joiners; beyond it nobody can join any more.
RELAY_BYTES_MAX: Final = 16 * 1024 * 1024

# Providers tell of tokens in the first or the last events of a stream. Where one broke off, no more
# than this is read at either end, since the loop waits meanwhile; what is between is counted.
STREAM_EDGE_BYTES: Final = 64 * 1024

# Models of one provider that breakers and limits are kept apart for; names may be made up.
GATES_MAX: Final = 256

# Model lists of providers are asked for at most this often.
CATALOGUE_TTL_S: Final = 60.0

# A provider that could not list its models is asked again after this, however many callers ask.
CATALOGUE_RETRY_S: Final = 1.0

# Names one answer can be purged by.
TAGS_MAX: Final = 16

# Header values Headrace reads numbers from; a longer one is not a number anyone means.
NUMBER_DIGITS_MAX: Final = 12

assert WRITE_BUFFER_BYTES_LOW < WRITE_BUFFER_BYTES_HIGH < RELAY_BYTES_MAX  # noqa: S101
