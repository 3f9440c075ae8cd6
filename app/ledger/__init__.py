"""A call becomes two documents, which are written together, once."""
