"""A body of our own for all providers: it becomes a request of one of their APIs, and their answer one of ours."""
