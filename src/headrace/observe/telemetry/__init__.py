"""What a collector of OpenTelemetry is told: spans of requests, and the metrics of a worker."""
