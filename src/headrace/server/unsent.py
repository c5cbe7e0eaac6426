"""How much of what was written to a client it has yet to take."""

import array
import asyncio
import fcntl
import termios


def unsent_bytes(transport: asyncio.Transport) -> int:
    """Bytes held for the client, by the transport and, where it tells, by the kernel.

    The kernel holds megabytes for a slow reader and takes more only in large steps, so that what
    the transport holds stands still for a long time. Linux tells how much of it the client has
    yet to acknowledge (SIOCOUTQ, tcp(7)).
    """
    held = transport.get_write_buffer_size()
    sock = transport.get_extra_info("socket")
    if sock is None or sock.fileno() < 0:
        return held
    queued = array.array("i", (0,))
    try:
        fcntl.ioctl(sock, termios.TIOCOUTQ, queued)
    except OSError:  # another system, or the socket is closed
        return held
    return held + queued[0]
