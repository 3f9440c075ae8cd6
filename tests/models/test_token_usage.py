"""Kinds of tokens: one list, and everything that spells them out has all of them."""

import pytest
from pydantic import BaseModel

from app.reports.calls import CallDetail
from models import AIUsage
from models.call import AICall
from models.rollups import OPTIONAL_COUNTS
from models.token_usage import TOKEN_FIELDS


@pytest.mark.parametrize("model", [AICall, AIUsage, CallDetail])
def test_what_spells_out_kinds_of_tokens_has_them_all_in_order(model: type[BaseModel]) -> None:
    assert [name for name in model.model_fields if name in TOKEN_FIELDS] == list(TOKEN_FIELDS)


def test_the_rollups_sum_them_under_their_stored_names() -> None:
    assert OPTIONAL_COUNTS == (
        "cacheReadTokens",
        "cacheWriteTokens",
        "cacheWrite1hTokens",
        "reasoningTokens",
        "inputAudioTokens",
        "outputAudioTokens",
        "cacheAudioReadTokens",
        "inputImageTokens",
        "outputImageTokens",
        "cacheImageReadTokens",
        "inputVideoTokens",
        "webSearches",
        "images",
        "characters",
    )
