"""How many calls may run at once: algorithms that learn it from how calls end. All pure."""
