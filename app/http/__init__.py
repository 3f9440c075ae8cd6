"""Requests and responses: their limits, bodies, JSON, errors and description. It knows no domain."""
