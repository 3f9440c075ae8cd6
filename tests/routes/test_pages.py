"""The shell of the pages and its files: public, without a figure, and strict with browsers."""

import gzip
import json
import re
from datetime import timedelta

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient

from app.auth.principals import Role
from app.auth.sessions import COOKIE
from app.auth.tokens import Tokens
from app.web.assets import APP, CHARTS, FOLDER, STYLE
from app.web.pages import MOVED, VIEWS

Client = AsyncTestClient[Litestar]
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
STRICT = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}
ADDRESSES = [view.path for views in VIEWS.values() for view in views]


def files_of(page: str) -> list[str]:
    return re.findall(r'(?:src|href)="(/admin/static/[^"]+)"', page)


async def test_the_address_alone_leads_to_the_pages(empty: Client) -> None:
    response = await empty.get("/", follow_redirects=False)

    assert (response.status_code, response.headers["location"]) == (307, "/admin")


async def test_anyone_gets_any_page_with_headers_that_let_nothing_foreign_in(empty: Client) -> None:
    for address in [*ADDRESSES, "/admin/nowhere", "/admin/cost/nowhere", "/admin/%3Cscript%3E", "/admin/index.html"]:
        response = await empty.get(address)

        assert response.status_code == (200 if address in ADDRESSES else 404), address
        assert response.headers["content-type"] == "text/html; charset=utf-8"
        assert {name: response.headers[name] for name in STRICT} == STRICT
        assert "set-cookie" not in response.headers
        # nothing inline: the policy would stop it, and the console would say so
        assert re.findall(r"<script(?![^>]* src=)|<style|\sstyle=|\son[a-z]+=|javascript:", response.text) == []


async def test_a_page_says_which_place_and_view_it_is(empty: Client) -> None:
    current = re.compile(r'href="(/admin[a-z/-]*)"[^>]*aria-current="page"')
    margins = (await empty.get("/admin/cost/margins")).text
    calls = (await empty.get("/admin/calls")).text
    nowhere = (await empty.get("/admin/cost/nowhere")).text

    assert current.findall(margins) == ["/admin/cost", "/admin/cost/margins"]
    assert re.findall(r'data-views="([a-z]+)" aria-label="[A-Za-z]+">', margins) == ["cost"]
    assert ('data-tab="cost/margins"' in margins, "<title>Margins" in margins) == (True, True)
    assert current.findall(calls) == ["/admin/calls"]
    assert ('data-tab="not-found"' in nowhere, "<title>Not found" in nowhere) == (True, True)
    assert 'aria-current="page"' not in nowhere


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("executive", ""),
        ("ai-monitoring?days=7&model=a%26b", "/usage?days=7&model=a%26b"),
        ("operations", "/reliability"),
        ("finance", "/cost"),
        ("finance?view=margins&by=user", "/cost/margins?by=user"),
        ("finance?clientId=a&view=months", "/cost/months?clientId=a"),
        ("finance?view=../../x", "/cost"),
        ("technical", "/reliability/system"),
        ("analytics?data=demo", "/usage/conversations?data=demo"),
        ("users?userId=%C3%BC%0D%0A", "/usage/users?userId=%C3%BC%0D%0A"),
    ],
)
async def test_an_address_of_before_leads_to_todays_with_its_query(empty: Client, old: str, new: str) -> None:
    response = await empty.get(f"/admin/{old}", follow_redirects=False)

    assert (response.status_code, response.headers["location"]) == (308, f"/admin{new}")


async def test_every_address_of_before_leads_somewhere(empty: Client) -> None:
    for slug in MOVED:
        response = await empty.get(f"/admin/{slug}")

        assert (response.status_code, response.url.path in ADDRESSES) == (200, True), slug


async def test_every_file_is_kept_for_ever_under_an_address_of_its_version(empty: Client) -> None:
    version = empty.app.state.assets.version
    files = [
        STYLE,
        CHARTS,
        APP,
        "theme.js",
        "icon.svg",
        *(f"panel/{file.name}" for file in (FOLDER / "panel").glob("*.js")),
    ]
    for name in files:
        zipped = await empty.get(f"/admin/static/{version}/{name}")
        plain = await empty.get(f"/admin/static/{version}/{name}", headers={"Accept-Encoding": "identity"})

        assert zipped.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert (zipped.headers["vary"], plain.headers["vary"]) == ("Accept-Encoding", "Accept-Encoding")
        assert (zipped.headers["content-encoding"], "content-encoding" in plain.headers) == ("gzip", False)
        assert zipped.headers["x-content-type-options"] == "nosniff"
        assert zipped.content == plain.content
    types = {name: (await empty.get(f"/admin/static/{version}/{name}")).headers["content-type"] for name in files}
    assert (types["app.js"], types[STYLE]) == ("text/javascript; charset=utf-8", "text/css; charset=utf-8")


async def test_a_page_loads_files_of_ours_that_are_there(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    async def gzipped(_: object) -> bytes:
        return gzip.compress(b"window.vegaEmbed = 1;")

    monkeypatch.setattr("app.web.bundle.VegaBundle.gzipped", gzipped)
    page = (await client.get("/admin")).text

    assert {file.rpartition("/")[2] for file in files_of(page)} >= {"style.css", "app.js", "theme.js"}
    for file in files_of(page):
        assert (await client.get(file)).status_code == 200, file
    (bundle,) = re.findall(r'data-vega="([^"]+)"', page)
    response = await client.get(bundle)
    assert (response.text, response.headers["content-encoding"]) == ("window.vegaEmbed = 1;", "gzip")


ASTRAY = [
    "nowhere.js",
    "../templates/shell.html",
    "%2e%2e/templates/shell.html",
    "..%2ftemplates%2fshell.html",
    "charts/../../pages.py",
    "%2fetc%2fpasswd",
    "app.js%00.css",
    "APP.JS",
    "charts",
]


async def test_no_path_leads_to_another_file(empty: Client) -> None:
    for path in ASTRAY:
        response = await empty.get(f"/admin/static/{empty.app.state.assets.version}/{path}")

        assert response.status_code == 404, (path, response.text)
        assert response.headers["cache-control"] == "no-store"
        assert "twinmeter" not in response.text or 'data-tab="not-found"' in response.text


async def test_another_versions_file_is_not_answered_with_todays(empty: Client) -> None:
    response = await empty.get("/admin/static/0123456789abcdef/app.js")

    assert (response.status_code, response.headers["cache-control"]) == (404, "no-store")
    assert response.json()["detail"] == "this version has no such file; reload the page"


async def test_pages_are_no_part_of_the_interface(empty: Client) -> None:
    paths = (await empty.get("/schema/openapi.json")).json()["paths"]

    assert [path for path in paths if path == "/" or path.startswith("/admin")] == []


async def test_a_page_says_who_has_signed_in_so_that_its_figures_need_no_question_before(
    empty: Client, tokens: Tokens
) -> None:
    token = tokens.issue("</script><script>alert(1)</script>", Role.ADMIN, timedelta(hours=1))
    own = {"Sec-Fetch-Site": "same-origin"}
    who = (await empty.post("/admin/session", json={"token": token}, headers=own)).json()

    page = await empty.get("/admin/cost")

    (told,) = re.findall(r'<script type="application/json" id="who">(.*?)</script>', page.text)
    assert (json.loads(told), page.headers["cache-control"]) == (who, "no-store")
    assert 'data-session="in"' in page.text
    assert "alert(1)</script>" not in page.text

    # whoever has none, or one that does not hold, is told nothing; the page asks once it is there
    for cookie in ("", "x" * 200):
        empty.cookies.clear()
        page = await empty.get("/admin/cost", headers={"Cookie": f"{COOKIE}={cookie}"})
        assert (page.status_code, 'id="who"' in page.text, 'data-session="unknown"' in page.text) == (200, False, True)
        assert "set-cookie" not in page.headers
