"""The kinds that come with Headrace."""

from headrace.jobs.content import ContentWork, content_kind
from headrace.jobs.generate import GENERATE
from headrace.jobs.kinds import Kinds
from headrace.jobs.video import VideoWork, video_kind


def built_in_kinds() -> Kinds:
    """All kinds; importing what only a running job needs is left until one runs."""
    videos = VideoWork()
    return Kinds([GENERATE, content_kind(ContentWork(videos)), video_kind(videos)])
