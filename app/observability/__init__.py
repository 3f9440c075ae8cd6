"""Logs, metrics, and how late the event loop runs."""
