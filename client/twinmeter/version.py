"""The only place that says the client's version: the package, and what it says to servers, take it from here."""

__version__ = "0.1.0"
