"""What every `provider/model` in the settings has to be."""

from difflib import get_close_matches

from headrace.settings.document import shown
from headrace.settings.reader import Path, Reader


def check_target(reader: Reader, path: Path, target: str) -> None:
    """Report a target whose provider is none of those that are configured."""
    name = target.partition("/")[0]
    # Providers that could not be read count: their own problem is reported already.
    known = [str(place[1]) for place in reader.places if place[:1] == ("providers",) and place[1:]]
    if name in known:
        return
    near = get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else "it must be one of those under providers"
    reader.complain(path, f"unknown provider {shown(name)}; {hint}")
