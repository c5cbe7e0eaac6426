"""What is sent to models: how much it is, and how it becomes less without changing its meaning."""
