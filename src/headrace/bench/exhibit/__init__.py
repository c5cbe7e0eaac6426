"""The showcase: everything off against everything on, and each optimisation alone."""
