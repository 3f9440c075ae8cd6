"""Stripe: its events and objects become subscriptions in step, and entries of revenue. Without it everything works."""
