"""A key of an upstream is in its requests, and nowhere else."""

import copy
import dataclasses
import json
import logging
import pickle
import traceback
from pathlib import Path

import pytest

from app.gateway.upstreams.key import Key
from tests.gateway.upstreams.around import AROUND, catalog_of

SECRET = "sk-very-secret-4711"


def test_nothing_that_prints_shows_a_key(caplog: pytest.LogCaptureFixture) -> None:
    key = Key(SECRET)
    logging.getLogger("x").warning("%s %r %s", key, key, {"key": key})
    with pytest.raises(TypeError) as caught:
        pickle.dumps(key)
    with pytest.raises(TypeError) as not_json:
        json.dumps({"key": key})

    shown = [repr(key), str(key), f"{key}", f"{key:>20}", f"{[key]}", caplog.text, str(caught.value)]
    shown += traceback.format_exception(not_json.value)
    assert all(SECRET not in each for each in shown)
    assert not hasattr(key, "__dict__")
    assert copy.deepcopy(key) == key == copy.copy(key) != Key("another")
    assert key.reveal() == SECRET


def test_an_upstream_shows_neither_its_key_nor_its_headers(tmp_path: Path) -> None:
    text = f"[upstreams.openai]\nheaders = {{ X-Key = '{SECRET}' }}\nquery = {{ k = '{SECRET}' }}"
    around = AROUND._replace(environment={"OPENAI_API_KEY": SECRET})
    upstream = catalog_of(text, tmp_path, around).upstreams["openai"]

    assert upstream.key == Key(SECRET)
    assert SECRET not in repr(upstream)
    assert SECRET not in repr(dataclasses.asdict(upstream)["key"])


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("\n", "is empty"),
        ("a b", "has spaces, line ends"),
        ("a\r\nX-B: c", "has spaces, line ends"),
        ("schlüssel", "beyond"),
    ],
)
def test_a_key_that_no_header_can_carry_is_refused_without_showing_it(content: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault) as caught:
        Key(content)

    assert not content.strip() or content not in str(caught.value)


def test_a_key_is_read_from_a_file_beside_the_gateways_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{SECRET}\n")

    upstream = catalog_of("[upstreams.openai]\nkey_file = 'key'", tmp_path).upstreams["openai"]

    assert (upstream.key, upstream.key_source) == (Key(SECRET), "file key")
