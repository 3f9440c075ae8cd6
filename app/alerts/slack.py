"""What is sent to Slack, and to what is compatible with it: JSON of `text` and `blocks`."""

import re
from typing import Any

from models.alerts import Alert

_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_UNSEEN = "\u2060"
_MARKUP = re.compile(r"@(?=\w)|(?<=\]) ?(?=\()|:(?=//)|(?<=www)\.", re.IGNORECASE)
"""Where a mention or a link is no longer one, if something unseen is put there."""
MAX_TEXT = 3_000
"""Of a block."""


def message_of(alert: Alert) -> dict[str, Any]:
    """`text` is for notifications and for those who know no blocks. Names of users and models are no markup in it: they
    neither call everybody nor link anywhere, also where Markdown is read.
    """
    figures = "\n".join(alert.lines)
    blocks = [_block(alert.text)] + ([_block(figures)] if figures else [])
    plain = _MARKUP.sub(lambda found: f"{found[0]}{_UNSEEN}", alert.text)
    return {"text": plain.translate(_ESCAPES), "blocks": blocks}


def _block(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "plain_text", "text": text[:MAX_TEXT], "emoji": False}}
