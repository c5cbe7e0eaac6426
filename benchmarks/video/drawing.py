"""`python -m benchmarks.video.drawing`: CPU of ways to draw ten seconds of 720p, nothing encoded.

What the decisions of docs/decisions/0036-videos.md save; least of several runs, in seconds.
"""

import argparse
import random
import resource
import subprocess
from collections.abc import Mapping
from typing import Final

from rich.console import Console
from rich.table import Table

from benchmarks import environment
from headrace.video.ffmpeg import find_ffmpeg

_SIZE: Final = "1280x720:r=30"
_FLAT: Final = f"color=c=0x1f3a6e:s={_SIZE},format=yuv420p"
_BOX: Final = "drawbox=x=146:y=188:w=988:h=342:color=black@0.45:t=fill"
_LINES: Final = (
    "drawtext=text='A headrace brings the water':fontsize=65:fontcolor=white:x=(w-text_w)/2:y=60,"
    "drawtext=text='to the mill, at the speed':fontsize=65:fontcolor=white:x=(w-text_w)/2:y=160"
)
_PANEL: Final = f"color=c=black@0.45:s=988x342:r=30,format=yuva420p,{_LINES}"
_OVER: Final = "[m][t]overlay=x=146:y=188:format=yuv420"
_HOLD: Final = "trim=end_frame=1,loop=loop=-1:size=1:start=0,setpts=N/(30*TB)"
_COLORS: Final = "n=3:c0=0x1f3a6e:c1=0x5b2a5c:c2=0x0f4d52"
_WANDER: Final = "crop=w=1280:h=720:x='(iw-ow)*(0.5+0.5*sin(t*0.35))':y='(ih-oh)*0.5'"
_FADE: Final = "xfade=transition=fade:duration=0.5:offset=0,format=yuv420p"

_MOVING: Final = f"gradients=s=2304x1296:r=30:{_COLORS},format=yuv420p,{_HOLD},{_WANDER}"

GRAPHS: Final[Mapping[str, str]] = {
    "plain: box and lines drawn on every frame": f"{_FLAT},{_BOX},{_LINES}[v]",
    "plain: laid over one frame, shown again": f"{_FLAT}[m];{_PANEL}[t];{_OVER},{_HOLD}[v]",
    "moving: every pixel of every frame drawn": f"gradients=s={_SIZE}:{_COLORS},format=yuv420p[v]",
    "moving: the frame wanders over one picture": f"{_MOVING}[v]",
    "moving: box and lines drawn on every frame": f"{_MOVING},{_BOX},{_LINES}[v]",
    "moving: drawn once, laid over every frame": f"{_MOVING}[m];{_PANEL},{_HOLD}[t];{_OVER}[v]",
    "fade: all frames through xfade": (
        f"{_FLAT},{_HOLD},trim=end_frame=15[a];{_FLAT},{_HOLD}[b];[a][b]{_FADE}[v]"
    ),
    "fade: the others go around it": (
        f"{_FLAT},{_HOLD},trim=end_frame=15[a];{_FLAT},{_HOLD},trim=end_frame=15[b];"
        f"{_FLAT},{_HOLD}[c];[a][b]{_FADE}[ab];[ab][c]concat=n=2[v]"
    ),
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    program, chance = find_ffmpeg().path, random.Random(options.seed)
    least = dict.fromkeys(GRAPHS, float("inf"))
    for _ in range(options.rounds):
        for name in chance.sample(list(GRAPHS), len(GRAPHS)):
            least[name] = min(least[name], _cpu_s(program, GRAPHS[name]))
    shown = Table("way", "CPU, s")
    for name, seconds in least.items():
        shown.add_row(name, f"{seconds:.2f}")
    console = Console()
    console.print(shown)
    machine = environment.read()
    console.print(f"{machine.processor}, {machine.cores} cores, commit {machine.commit}")


def _cpu_s(program: str, graph: str) -> float:
    before = _children_s()
    options = ["-v", "error", "-nostdin", "-filter_complex_threads", "1"]
    command = [program, *options, "-filter_complex", graph, "-map", "[v]", "-frames:v", "300"]
    subprocess.run([*command, "-f", "null", "-"], check=True)
    return _children_s() - before


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
