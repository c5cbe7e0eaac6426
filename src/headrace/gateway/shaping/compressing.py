"""The step that says prompts in fewer tokens."""

from headrace.gateway.draft import Document, Recipient, Said
from headrace.prompt.compress.compressor import Compressor


class Compressing:
    """Leaves out of prompts what their model does not need. May be used by several threads.

    Args:
        compressor: does it, the same for every target.
    """

    def __init__(self, compressor: Compressor) -> None:
        self._compressor = compressor

    def __call__(self, document: Document, recipient: Recipient) -> tuple[Document, Said | None]:
        """Implements `Step`."""
        shorter, report = self._compressor.compress(document, dialect=recipient.dialect)
        if shorter is document:
            return document, None
        before, after = report.tokens_before, report.tokens_after
        return shorter, Said("compressed", f"{before}>{after}", before - after)
