"""The package as it was at a commit: taken out of a checkout, which is left as it is."""

import io
import subprocess
import tempfile
import zipfile
from pathlib import Path
from typing import Final

import msgspec

from headrace.bench.trials.faults import ArmInvalid

_GIT_TIMEOUT_S: Final = 60.0
_SOURCE: Final = "src"
_SHOWN: Final = 12


class Commit(msgspec.Struct, frozen=True):
    """A commit of a checkout.

    Attributes:
        repository: folder of the checkout.
        revision: full hash.
    """

    repository: str
    revision: str

    @classmethod
    def named(cls, repository: Path, name: str) -> "Commit":
        """Find a commit by what users call it.

        Args:
            repository: any folder of the checkout.
            name: a hash, branch or tag, or anything else that git takes for one.

        Raises:
            ArmInvalid: there is none of that name, or no checkout, or no git.
        """
        root = _git(repository, "rev-parse", "--show-toplevel").decode().rstrip("\n")
        wanted = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
        return cls(
            root, _git(Path(root), *wanted, missing=f"no commit is called {name}").decode().strip()
        )

    @property
    def short(self) -> str:
        """As people write it."""
        return self.revision[:_SHOWN]


def exported(commit: Commit, folder: Path) -> Path:
    """The package of a commit, in a folder of its own: nothing of it is noted in the checkout.

    Args:
        commit: what is wanted.
        folder: where it goes; a second call finds it there.

    Returns:
        What has to stand first among the places Python looks at.

    Raises:
        ArmInvalid: the commit has no such package.
    """
    place = folder / f"commit-{commit.short}"
    if not place.exists():
        missing = f"{commit.short} has no folder {_SOURCE}/headrace"
        wanted = ("archive", "--format=zip", "-0", commit.revision, f"{_SOURCE}/headrace")
        packed = _git(Path(commit.repository), *wanted, missing=missing)
        fresh = Path(tempfile.mkdtemp(dir=folder))
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            archive.extractall(fresh)
        fresh.rename(place)
    return place / _SOURCE


def described(folder: Path) -> str | None:
    """What git calls the version in a folder, and whether something in it is not committed.

    Returns:
        `None` where there is no checkout, or no git.
    """
    try:
        return _git(folder, "describe", "--always", "--dirty").decode().strip()
    except ArmInvalid:
        return None


def _git(folder: Path, *arguments: str, missing: str = "") -> bytes:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_GIT_TIMEOUT_S,
            check=False,
        )
    except FileNotFoundError:
        raise ArmInvalid(
            "git is not installed, and commits are taken out of a checkout by it."
        ) from None
    except subprocess.TimeoutExpired:
        raise ArmInvalid(f"git {arguments[0]} took longer than {_GIT_TIMEOUT_S:g} s.") from None
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip()
        raise ArmInvalid(": ".join(filter(None, (missing, said))) or f"git {arguments[0]} failed")
    return done.stdout
