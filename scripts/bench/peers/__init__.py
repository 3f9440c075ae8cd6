"""Other systems beside this one, each from an environment of its own, with the same calls, on this machine alone."""
