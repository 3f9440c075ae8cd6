"""What commands are made of: arguments, jobs, days, and the store of calls."""
