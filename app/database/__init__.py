"""MongoDB: the connection, transactions, and the embedded server."""

from app.database.connection import DURABLE, Collection, Database, Session, connected

__all__ = ["DURABLE", "Collection", "Database", "Session", "connected"]
