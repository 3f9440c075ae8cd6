"""Pages and the files that they load. All of them are public, because none contains a figure."""

from litestar import Controller, Request, Response, get
from litestar.datastructures import State
from litestar.params import FromPath
from litestar.response import Redirect, Template

from app.auth.middleware import PUBLIC
from app.web import assets, pages

AnyRequest = Request[None, None, State]


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
        return _page(pages.HOME, request)

    @get(pages.PATH + "/{slug:str}")
    async def tab(self, slug: FromPath[str], request: AnyRequest) -> Template:
        return _page(slug, request)

    @get(assets.PATH + "/{version:str}/{name:path}")
    async def file(self, version: FromPath[str], name: FromPath[str], request: AnyRequest) -> Response[bytes]:
        """One file of this version of the pages."""
        found = await request.app.state.assets.find(version, name.removeprefix("/"))
        zipped = assets.takes_gzip(request.headers.get("accept-encoding", ""))
        headers = {"Cache-Control": assets.FOR_EVER, "Vary": "Accept-Encoding"}
        if zipped:
            headers["Content-Encoding"] = "gzip"
        return Response(found.gzipped if zipped else found.content, media_type=found.media_type, headers=headers)


def _page(slug: str, request: AnyRequest) -> Template:
    return pages.page(slug, request.app.state.assets, request.scope["root_path"])
