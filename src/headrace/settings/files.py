"""What keeps the files that settings name from being used.

No problem repeats a file's name, which may come from the environment.
"""

import os
import ssl
from pathlib import Path

_BEGINS = "paths begin where headrace starts"


def file_problem(name: str) -> str | None:
    """Why there is nothing to read at `name`."""
    try:
        is_file = Path(name).is_file()
    except OSError:
        is_file = False
    return None if is_file else f"no such file, or not readable; {_BEGINS}"


def folder_problem(name: str) -> str | None:
    """Why there is no folder at `name`."""
    try:
        is_folder = Path(name).is_dir()
    except OSError:
        is_folder = False
    return None if is_folder else f"no such folder, or not readable; {_BEGINS}"


def authorities_problem(name: str) -> str | None:
    """Why the file holds no certificates to trust."""
    problem = file_problem(name)
    if problem is not None:
        return problem
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cafile=name)
    except ssl.SSLError as error:
        if error.reason != "NO_CERTIFICATE_OR_CRL_FOUND":
            return f"what it holds cannot be read as certificates in PEM ({error.reason})"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if context.cert_store_stats()["x509"]:
        return None
    return (
        "no certificate in this file; expected the authorities to trust in PEM, each from "
        "-----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----"
    )


def log_problem(name: str) -> str | None:
    """Why this process could not append lines to the file, which need not be there yet."""
    path = Path(name)
    try:
        if path.is_dir():
            return "a directory; name a file in it"
        if path.exists():
            if os.access(path, os.W_OK):
                return None
            return "not writable for who asks; change its owner or its mode"
        if not path.parent.is_dir():
            return f"its directory does not exist; create it, or name another ({_BEGINS})"
        if os.access(path.parent, os.W_OK | os.X_OK):
            return None
    except OSError as error:
        return f"cannot be looked at: {error.strerror}"
    return (
        "its directory is not writable for who asks; change the directory's owner or its mode, or "
        "name another"
    )
