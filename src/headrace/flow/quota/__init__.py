"""What a provider's key may use per minute, kept level with what the provider says."""
