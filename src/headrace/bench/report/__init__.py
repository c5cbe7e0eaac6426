"""Reports of what was measured: one page that needs nothing else, and a summary in Markdown."""
