"""Which model a request goes to, where more decides than the name that the caller wrote."""
