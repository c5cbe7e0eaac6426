"""How many files and sockets this process may hold open."""

import resource
from collections.abc import Iterable

from headrace.server.service import REFUSED_MAX

# Log, listening socket, event loop, certificates, what the interpreter opens by itself, and
# clients that are being sent away.
SPARE = 64 + REFUSED_MAX


def raise_descriptor_limit(connections: Iterable[int]) -> str | None:
    """Let the process hold the connections that its settings allow, as far as it may.

    Shells start programs with a soft limit of 1024 or less; the hard limit is what was meant.

    Args:
        connections: how many each side may have.

    Returns:
        What to tell the operator where the hard limit is too low.
    """
    wanted = sum(connections) + SPARE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    may = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < may:
        resource.setrlimit(resource.RLIMIT_NOFILE, (may, hard))
    if may >= wanted:
        return None
    return (
        f"only {may} files may be open, and the settings allow connections for {wanted}: "
        "raise the hard limit (ulimit -Hn), or lower connections_max of listen and providers."
    )
