"""From the answer of a provider's API to a neutral one."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from app.gateway.account import Ending
from app.gateway.formats.base import Api
from app.gateway.neutral.bodies import ANSWERS, Alias
from app.tracking.receipt import TrackReceipt
from models.base import camel
from models.money import plain
from models.token_usage import PART_TOKENS

_MEDIA = ("images", "video_seconds", "audio_seconds", "characters")


class Recorded:
    """What is known of a call once it is in the ledger."""

    def __init__(self) -> None:
        self.reported: Mapping[str, Any] = {}
        self.cost: Decimal | None = None

    def take(self, ending: Ending, receipt: TrackReceipt | None) -> None:
        """See `Incoming.recorded`."""
        self.reported = ending.reported
        cost = None if receipt is None else receipt.cost
        self.cost = None if cost is None else Decimal(plain(cost))

    def told(self, request_id: str, model: str) -> dict[str, Any]:
        """What every answer says of its call. A cost of null is not known.

        `model` is what was asked, for providers that do not name what answered.
        """
        reported = self.reported
        made = {name: reported.get(name, 0) for name in ("input_tokens", "output_tokens")}
        made["total_tokens"] = made["input_tokens"] + made["output_tokens"]
        made |= {name: reported[name] for name in (*PART_TOKENS, *_MEDIA) if reported.get(name)}
        return {
            "model": reported.get("model") or model,
            "usage": {camel(name): count for name, count in made.items()},
            "cost": self.cost,
            "cached": reported.get("cached", False),
            "requestId": request_id,
        }


def whole(alias: Alias, api: Api, content: bytes, told: Mapping[str, Any]) -> bytes:
    """A whole answer, with what is `told` of its call. Raises ValueError for one that has no such form."""
    answer = decoded(content)
    if alias is Alias.IMAGES:
        data = answer.get("data")
        made = [_picture(each) for each in data if isinstance(each, dict)] if isinstance(data, list) else []
        said: dict[str, Any] = {"images": made}
    elif alias is Alias.VIDEOS:
        names = ("id", "status", "progress", "seconds", "size", "url")
        said = {"video": {name: answer[name] for name in names if name in answer}}
    else:
        said = {"text": text_of(api, answer)}
    return ANSWERS.encode({**said, **told})


def decoded(content: bytes) -> dict[str, Any]:
    """Raises ValueError for what is no JSON object."""
    try:
        answer = msgspec.json.decode(content)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError("no JSON") from error
    if not isinstance(answer, dict):
        raise ValueError("no object")  # noqa: TRY004 - of what was sent, not of ours
    return answer


def text_of(api: Api, answer: dict[str, Any]) -> str:
    """The texts of an answer, or of an event of one."""
    return "".join(part for part in _TEXTS[api](answer) if isinstance(part, str))


def _openai(answer: dict[str, Any]) -> Iterator[Any]:
    for choice in _objects(answer.get("choices")):
        for name in ("message", "delta"):
            if isinstance(said := choice.get(name), dict):
                yield said.get("content")
        return


def _anthropic(answer: dict[str, Any]) -> Iterator[Any]:
    for block in _objects(answer.get("content")):
        if block.get("type") == "text":
            yield block.get("text")
    if isinstance(delta := answer.get("delta"), dict) and delta.get("type") == "text_delta":
        yield delta.get("text")


def _gemini(answer: dict[str, Any]) -> Iterator[Any]:
    for candidate in _objects(answer.get("candidates")):
        if isinstance(content := candidate.get("content"), dict):
            for part in _objects(content.get("parts")):
                if not part.get("thought"):
                    yield part.get("text")
        return


_TEXTS = {Api.OPENAI: _openai, Api.ANTHROPIC: _anthropic, Api.GEMINI: _gemini}


def _objects(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _picture(datum: dict[str, Any]) -> dict[str, Any]:
    if isinstance(content := datum.get("b64_json"), str):
        return {"base64": content}
    return {"url": datum.get("url")}


def error_of(answer: dict[str, Any], code: str) -> dict[str, Any]:
    """An error, whichever API it came by, as ours are told. `code` where it has none."""
    error = answer.get("error")
    told = error if isinstance(error, dict) else {"message": error if isinstance(error, str) else None}
    words = (told.get("code"), told.get("status"), told.get("type"))
    return {
        "message": told.get("message") or "the provider has refused this without a word",
        "type": told.get("type"),
        "param": told.get("param"),
        "code": next((word for word in words if isinstance(word, str)), code),
    }
