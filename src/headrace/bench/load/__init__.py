"""Load on a target: schedules made before the run, a client, and what is noted of each request."""
