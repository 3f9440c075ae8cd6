"""Pages and the files that they load. All of them are public: a page says who has signed in to them alone."""

from litestar import Controller, Request, Response, get
from litestar.datastructures import State
from litestar.params import FromPath
from litestar.response import Redirect, Template

from app.auth.middleware import PUBLIC
from app.settings import Settings
from app.web import assets, pages
from routes.sessions import told

AnyRequest = Request[None, None, State]
FOR_ANY_PAGE = {"Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin"}


class PageController(Controller):
    """What a browser opens, before anyone has signed in."""

    path = "/"
    opt = PUBLIC
    include_in_schema = False

    @get("/", status_code=307)
    async def root(self, request: AnyRequest) -> Redirect:
        return Redirect(request.scope["root_path"] + pages.PATH, status_code=307)

    @get(pages.PATH)
    async def home(self, request: AnyRequest) -> Template:
        return await _page(pages.HOME, request)

    @get(pages.PATH + "/{place:str}", status_code=200)
    async def place(self, place: FromPath[str], request: AnyRequest) -> Template | Redirect:
        root: str = request.scope["root_path"]
        leads = pages.moved(place, request.scope["query_string"].decode("latin-1"))
        return Redirect(root + leads, status_code=308) if leads else await _page(place, request)

    @get(pages.PATH + "/{place:str}/{view:str}")
    async def view(self, place: FromPath[str], view: FromPath[str], request: AnyRequest) -> Template:
        return await _page(f"{place}/{view}", request)

    @get(assets.PATH + "/{version:str}/{name:path}")
    async def file(self, version: FromPath[str], name: FromPath[str], request: AnyRequest) -> Response[bytes]:
        """One file of this version of the pages."""
        found = await request.app.state.assets.find(version, name.removeprefix("/"))
        return _sent(found, request, {"Cache-Control": assets.FOR_EVER})

    @get(pages.DOCS_PATH)
    async def docs(self, request: AnyRequest) -> Template:
        """The API reference."""
        return pages.docs_page(request.app.state.assets, request.scope["root_path"])

    @get(pages.USAGE_PATH)
    async def usage(self, request: AnyRequest) -> Template:
        """A user's own usage, for whoever has a token or a session."""
        settings: Settings = request.app.state.settings
        return pages.usage_page(request.app.state.assets, request.scope["root_path"], settings.embed_origins)

    @get(assets.EMBED_PATH)
    async def embed(self, request: AnyRequest) -> Response[bytes]:
        """The element that shows it on pages of others. It holds nothing of anyone, so that any page may load it."""
        found: assets.Asset = await request.app.state.assets.embed()
        etag = f'"{found.digest}"'
        headers = {"Cache-Control": assets.FOR_A_WHILE, "ETag": etag, **FOR_ANY_PAGE}
        if etag in request.headers.get("if-none-match", ""):
            return Response(b"", status_code=304, headers={**headers, "Vary": "Accept-Encoding"})
        return _sent(found, request, headers)


def _sent(found: assets.Asset, request: AnyRequest, headers: dict[str, str]) -> Response[bytes]:
    zipped = assets.takes_gzip(request.headers.get("accept-encoding", ""))
    headers = {**headers, "Vary": "Accept-Encoding", **({"Content-Encoding": "gzip"} if zipped else {})}
    return Response(found.gzipped if zipped else found.content, media_type=found.media_type, headers=headers)


async def _page(slug: str, request: AnyRequest) -> Template:
    who = await told(request)
    said = None if who is None else who.model_dump(mode="json", by_alias=True)
    words = pages.SignInWords.of(request.app.state.settings)
    return pages.page(slug, request.app.state.assets, request.scope["root_path"], words, said)
