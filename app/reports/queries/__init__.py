"""Pure functions from a query to a pipeline, each a plain dict that can be pasted into mongosh."""
