"""Authentication and authorization: who the caller is, what it may do, and which clients and users it may name."""
