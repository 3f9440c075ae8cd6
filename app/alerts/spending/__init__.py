"""Spending alerts: what is unusual without any limit."""
