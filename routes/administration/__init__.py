"""What administrators define, and what became of it."""
