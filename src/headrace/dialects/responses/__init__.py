"""OpenAI's Responses API, spoken over chat completions. Pure."""
