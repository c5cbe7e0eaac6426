"""What decides whether a target is asked, when, and by which key."""
