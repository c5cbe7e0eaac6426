"""What was said, kept for callers: responses and conversations of OpenAI's Responses API."""
