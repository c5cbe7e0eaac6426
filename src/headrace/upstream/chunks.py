"""Chunked framing (RFC 9112, 7.1), for the one case that matters: bytes that are just one chunk."""


def payload_start(data: bytes) -> int:
    """Where the payload of `data` begins, if `data` is exactly one chunk in its usual spelling.

    Usual means a size in lower-case hexadecimal without zeros before it, and no extension; of 16
    to 65,535 bytes.

    Returns:
        The offset, or 0 for anything else, which is for a real parser to read.
    """
    size = len(data)
    digits = 2 if size < 262 else 3 if size < 4103 else 4
    frame = b"%x\r\n" % (size - 4 - digits)
    if data.startswith(frame) and data.endswith(b"\r\n") and len(frame) == digits + 2:
        return digits + 2
    return 0
