"""An upstream's key: what nothing but the request to that upstream ever shows."""

import hashlib
import hmac
from typing import NoReturn


class Key:
    """A secret text. Whatever prints, logs, copies or pickles what holds it does not get the text."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        """Raises ValueError, without the text, for what cannot be the value of a header."""
        stripped = text.strip()
        if not stripped:
            raise ValueError("is empty")
        if not all("!" <= character <= "~" for character in stripped):
            raise ValueError("has spaces, line ends or characters beyond ASCII inside: a key is one word")
        self._text = stripped

    def reveal(self) -> str:
        """The text, for the request alone."""
        return self._text

    def is_in(self, text: str) -> bool:
        return self._text in text

    def fingerprint(self) -> str:
        """What tells one key from another, and from which nobody gets the key."""
        return hashlib.sha256(self._text.encode()).hexdigest()[:16]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Key) and hmac.compare_digest(self._text, other._text)

    def __hash__(self) -> int:
        return hash(self.fingerprint())

    def __repr__(self) -> str:
        return "Key(***)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __copy__(self) -> "Key":
        return self

    def __deepcopy__(self, memo: object) -> "Key":
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a key of an upstream is not pickled")
