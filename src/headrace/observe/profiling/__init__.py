"""Where the time goes: samples of a running process, as pictures and tables."""
