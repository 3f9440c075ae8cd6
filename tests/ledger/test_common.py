"""What is taken for the common shape unseen by Pydantic: nothing that it would refuse, or change."""

from typing import Any

import pytest
from pydantic import ValidationError

from app.ledger.common import of_reported
from models.call import AICall

COMMON = {"user_id": "u", "content_type": "chat", "model": "gpt-4o", "input_tokens": 1, "output_tokens": 0}
WHOLE = {"client_id": "acme", "provider": "openai", "conversation_id": "c", "request_id": "r", "success": True}


def test_what_is_common_is_what_the_call_says() -> None:
    for more in ({}, WHOLE, {"request_duration": 2.5, "time_to_first_token": 3}):
        found = of_reported(COMMON | more)
        assert found is not None
        key, said = found
        call = AICall.model_validate(COMMON | more)
        assert key[:5] == (call.client_id, call.content_type, call.model, call.provider, call.success)
        assert (said.user, said.input_tokens, said.output_tokens) == ("u", 1, 0)
        assert (said.duration, said.first_token) == (call.request_duration, call.time_to_first_token)
        assert (said.request_id, said.more.get("conversationId")) == (call.request_id, call.conversation_id)


@pytest.mark.parametrize(
    "odd",
    [
        *({"input_tokens": True}, {"output_tokens": 1.0}, {"input_tokens": -1}, {"output_tokens": 1_000_000_001}),
        *({"user_id": "a\nb"}, {"user_id": ""}, {"user_id": "u" * 257}, {"user_id": 1}),
        *({"conversation_id": "a\x7f"}, {"request_id": ""}, {"request_id": "r" * 257}, {"success": "perhaps"}),
        *({"request_duration": -1}, {"time_to_first_token": 1e10}, {"model": 5}, {"provider": 5}, {"colour": "red"}),
    ],
    ids=repr,
)
def test_what_is_refused_is_never_common(odd: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        AICall.model_validate(COMMON | odd)
    assert of_reported(COMMON | odd) is None
