"""Several processes that serve together: the supervisor, and its workers."""
