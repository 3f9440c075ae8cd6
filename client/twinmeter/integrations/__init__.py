"""What frameworks need to know of twinmeter. Each module imports its framework only when it is used."""
