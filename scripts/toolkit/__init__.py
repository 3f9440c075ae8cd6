"""The building blocks of commands: arguments, jobs, days, and the store of calls."""
