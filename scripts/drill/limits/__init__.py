"""The drill of limits: callers that ask first, kills in every step, and what must hold in the quiet afterwards."""
