"""The tables of a spool, and how a file of an earlier release gets them."""

import sqlite3

from app.errors import ConfigurationError

VERSION = 1
"""`PRAGMA user_version` of a file with these tables. Files of before have 0."""

_TABLES = """
CREATE TABLE IF NOT EXISTS calls (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id BLOB NOT NULL UNIQUE,
    pair BLOB NOT NULL,
    crc INTEGER
);
CREATE TABLE IF NOT EXISTS refused (id BLOB PRIMARY KEY, pair BLOB NOT NULL, reason TEXT NOT NULL, at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS unreadable (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    row BLOB,
    reason TEXT NOT NULL,
    at TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS totals (calls INTEGER NOT NULL, bytes INTEGER NOT NULL);
INSERT INTO totals SELECT 0, 0 WHERE NOT EXISTS (SELECT 1 FROM totals);
CREATE TRIGGER IF NOT EXISTS added AFTER INSERT ON calls BEGIN
    UPDATE totals SET calls = calls + 1, bytes = bytes + length(NEW.pair);
END;
CREATE TRIGGER IF NOT EXISTS changed AFTER UPDATE OF pair ON calls BEGIN
    UPDATE totals SET bytes = bytes - length(OLD.pair) + length(NEW.pair);
END;
CREATE TRIGGER IF NOT EXISTS removed AFTER DELETE ON calls BEGIN
    UPDATE totals SET calls = calls - 1, bytes = bytes - length(OLD.pair);
END;
"""
"""`refused` keeps what MongoDB will never accept, and `unreadable` rows that are no calls, for a person to look at."""

_COLUMNS = {
    "calls": {"seq", "id", "pair", "crc"},
    "refused": {"id", "pair", "reason", "at"},
    "unreadable": {"number", "row", "reason", "at"},
    "totals": {"calls", "bytes"},
}
_ADDED = {"calls": "crc"}
"""Columns that version 0 did not have."""


class StrangeShapeError(sqlite3.DatabaseError):
    """The file has tables of our names with other columns."""


def shape(connection: sqlite3.Connection) -> None:
    """Give a file the tables of this release; one that has them is only read.

    Raises StrangeShapeError, ConfigurationError for a file of a later release, and sqlite3.Error.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise ConfigurationError(
            f"the spool is of a later release (version {version}, known is {VERSION}): start that release, until no "
            "call waits, or set TWINMETER_DATA_DIR to another folder"
        )
    if version == VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        _upgrade(connection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _upgrade(connection: sqlite3.Connection) -> None:
    for table, wanted in _COLUMNS.items():
        found = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
        if found and wanted - found - {_ADDED.get(table)}:
            raise StrangeShapeError(f"its table {table} has the columns {', '.join(sorted(found))}")
        if found and (column := _ADDED.get(table)) is not None and column not in found:
            connection.execute(f"ALTER TABLE {table} ADD COLUMN {column} INTEGER")
    for statement in _statements():
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {VERSION}")


def _statements() -> list[str]:
    """One by one: `executescript` would commit first."""
    found, begun = [], ""
    for line in _TABLES.splitlines(keepends=True):
        begun += line
        if sqlite3.complete_statement(begun):
            found.append(begun)
            begun = ""
    return found
