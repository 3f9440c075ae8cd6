"""A user is forgotten, and every figure stays."""
