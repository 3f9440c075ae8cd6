"""MongoDB: the connection, transactions, and the server of its own that a deployment may have."""

from app.database.connection import DURABLE, Collection, Database, Session, connected

__all__ = ["DURABLE", "Collection", "Database", "Session", "connected"]
