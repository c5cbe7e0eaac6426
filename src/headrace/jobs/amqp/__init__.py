"""Jobs that come as messages of AMQP, and what is told of them: docs/jobs.md."""
