"""Which requests come from a page of ours."""

import pytest

from app.auth.same_origin import came_by_https, from_own_page

HOST = "ai.example:8000"


@pytest.mark.parametrize(
    ("headers", "own"),
    [
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "same-origin", "origin": "https://elsewhere.example"}, True),
        ({"sec-fetch-site": "same-site", "origin": f"https://{HOST}"}, False),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "none"}, False),
        ({"sec-fetch-site": ""}, False),
        ({"origin": f"https://{HOST}"}, True),
        ({"origin": "http://AI.example:8000"}, True),
        ({"origin": "https://ai.example"}, False),
        ({"origin": "https://ai.example:8000.evil.example"}, False),
        ({"origin": "https://evil.example"}, False),
        ({"origin": "null"}, False),
        ({"origin": ""}, False),
        ({"origin": HOST}, False),
        ({}, False),
    ],
)
def test_a_page_is_ours_where_the_browser_says_so(headers: dict[str, str], *, own: bool) -> None:
    assert from_own_page({**headers, "host": HOST}) is own


def test_without_a_host_no_page_is_ours() -> None:
    assert not from_own_page({"origin": "https://"})
    assert not from_own_page({"origin": "https://", "host": ""})


@pytest.mark.parametrize(
    ("scheme", "origin", "https"),
    [("https", None, True), ("http", "https://ai.example", True), ("http", "http://ai.example", False)],
)
def test_a_page_came_by_https_also_where_a_proxy_ended_it(scheme: str, origin: str | None, *, https: bool) -> None:
    assert came_by_https(scheme, {} if origin is None else {"origin": origin}) is https
