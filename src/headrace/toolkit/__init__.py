"""The toolkit: caches for functions and values, usable without the gateway."""
