"""What administrators do to plans, subscriptions, limits and grants."""
