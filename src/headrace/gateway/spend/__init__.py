"""What calls cost: admitted within budgets, and booked."""
