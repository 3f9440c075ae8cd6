"""Texts that a spreadsheet would run, made harmless in a way that can be undone.

A program that opens a CSV file runs a cell that begins with one of these signs (OWASP, "CSV Injection"). Such text is
prefixed with an apostrophe, and so is text that begins with an apostrophe itself.
"""

RISKY = ("=", "+", "-", "@", "\t", "\r", "\n", "'")
_WITH_NUL = "'\\"
"""Marks text with a NUL, which few readers accept: it is written as \\0, and a backslash twice."""


def neutralised(text: str) -> str:
    if "\0" in text:
        return _WITH_NUL + text.replace("\\", "\\\\").replace("\0", "\\0")
    return f"'{text}" if text.startswith(RISKY) else text


def original(text: str) -> str:
    """The reverse of `neutralised`."""
    if text.startswith(_WITH_NUL):
        halves = text.removeprefix(_WITH_NUL).split("\\\\")
        return "\\".join(half.replace("\\0", "\0") for half in halves)
    return text.removeprefix("'")
