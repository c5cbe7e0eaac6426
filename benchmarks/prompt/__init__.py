"""What it costs and what it brings to shape prompts before they are sent."""
