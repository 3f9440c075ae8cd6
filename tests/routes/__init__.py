"""A package, for pytest ends what has the scope of one only where this file is."""
