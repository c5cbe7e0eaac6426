"""What measures Headrace from outside: beside nginx and beside its peers, in one run.

Nothing here imports the gateway: it is started as the process its users start.
"""
