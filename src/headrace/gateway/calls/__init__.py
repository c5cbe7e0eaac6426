"""Calls to providers: try after try, target after target."""
