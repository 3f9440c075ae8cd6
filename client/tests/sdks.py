"""The SDKs of providers, each imported by the first test that uses it: together they take a second of every process
that only collects tests.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import anthropic
    import groq
    import openai
    from mistralai import client as mistralai
    from mistralai.azure import client as mistral_azure

__all__ = ["anthropic", "groq", "mistral_azure", "mistralai", "openai"]

MODULES = {"mistralai": "mistralai.client", "mistral_azure": "mistralai.azure.client"}
"""Those whose names are others."""


class Later:
    """A module that is imported once something of it is needed."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("_") and attribute != "__file__":  # pytest looks whether it is a fixture
            raise AttributeError(attribute)
        return getattr(import_module(self._name), attribute)


if not TYPE_CHECKING:
    anthropic, groq, mistral_azure, mistralai, openai = (Later(MODULES.get(name, name)) for name in __all__)
