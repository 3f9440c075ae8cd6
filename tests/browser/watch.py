"""What no page may do while a test looks at it: speak to the console, fail, break its policy, or ask another host."""

import re
from urllib.parse import urlsplit

from playwright.async_api import BrowserContext, ConsoleMessage, Request, WebError

SIGNED_OUT = r"status of 401 .*\(\S*/admin/session(\?\S*)?\)"
"""Every page asks who signed in; where nobody did, Chromium puts the answer into the console."""


class Watch:
    """Takes down what the pages of a test do wrong."""

    def __init__(self, address: str) -> None:
        self._host = urlsplit(address).netloc
        self._faults: list[str] = []
        self._expected = [SIGNED_OUT]

    def follow(self, context: BrowserContext) -> None:
        """Look at all pages of this browser context."""
        context.on("console", self._said)
        context.on("weberror", self._failed)
        context.on("request", self._asked)

    def leave(self, context: BrowserContext) -> None:
        """Look away: the context is for other tests, too."""
        context.remove_listener("console", self._said)
        context.remove_listener("weberror", self._failed)
        context.remove_listener("request", self._asked)

    def expect(self, pattern: str) -> None:
        """From now on, a fault that this regular expression is found in is what the test is about."""
        self._expected.append(pattern)

    @property
    def faults(self) -> list[str]:
        """What was not expected, in its order."""
        return [each for each in self._faults if not any(re.search(known, each) for known in self._expected)]

    def _said(self, message: ConsoleMessage) -> None:
        # a violation of the content security policy is one of these
        if message.type in {"error", "warning"}:
            self._faults.append(f"console {message.type}: {message.text} ({message.location['url']})")

    def _failed(self, error: WebError) -> None:
        self._faults.append(f"error on the page: {error.error}")

    def _asked(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in {"data", "blob"} and parts.netloc != self._host:
            self._faults.append(f"request to another host: {request.url}")
