"""What happened: metrics, the access log, the gateway's own events, the loop's lag."""
