"""How large templates may be, each with its reason."""

from typing import Final

# Larger than any prompt that people edit; keeps a wrong path from being parsed.
FILE_BYTES_MAX: Final = 256 * 1024
# Of all files together: what a reload reads in one go.
TOTAL_BYTES_MAX: Final = 32 * 1024 * 1024
FILES_MAX: Final = 10_000
DEPTH_MAX: Final = 6

# Instructions of one rendering: some 30,000 turns of a loop, a few milliseconds.
FUEL: Final = 100_000
# Characters of one rendering, and of all that its filters make on the way.
OUTPUT_CHARS_MAX: Final = 16 * 1024 * 1024
# Values longer than this together are rendered where what comes out is counted.
UNCOUNTED_CHARS_MAX: Final = 64 * 1024
# Text that stands within loops; times the turns that the fuel allows it stays below 130 MB.
LOOP_TEXT_CHARS_MAX: Final = 4096
# Loops within loops, and files that one template includes, counted each time.
LOOPS_DEEP_MAX: Final = 4
INCLUDES_MAX: Final = 64
# A number that multiplies, and what it may make of a text.
FACTOR_MAX: Final = 1000
REPEATED_CHARS_MAX: Final = 10_000
# minijinja reads chains of operators, filters and `elif` by recursion, which it does not bound:
# 10,000 of them are more than a thread's stack holds, and the process would be gone.
TOKENS_MAX: Final = 500
ELIFS_MAX: Final = 200

# Levels of a value, as of the schema that describes it.
VALUE_DEPTH_MAX: Final = 16
VALUES_MAX: Final = 100_000
VARIABLES_MAX: Final = 500
