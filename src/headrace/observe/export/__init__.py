"""What other programs watch a gateway with: rules and alerts, a dashboard, an example of routes."""
