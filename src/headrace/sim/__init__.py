"""The simulated provider: OpenAI's and Anthropic's APIs over real HTTP, answering from a seed."""
