"""Alerts: what was crossed or is unusual, recorded once and told until it has arrived.

`alerts.py` is what the server uses. What an application's process records its own crossings by, `recording.py`, is
light: nothing of HTTP or e-mail is loaded for it.
"""
