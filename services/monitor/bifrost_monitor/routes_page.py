"""The page: static files without a build, the sign-in link, and a list of the API's routes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import FileResponse, RedirectResponse, Response

from .errors import ApiError
from .routes_control import set_cookie
from .services import Services, services_of

STATIC = Path(__file__).parent / "static"
BUNDLE = STATIC / "app" / "index.html"
"""What `make web` builds; where nobody could build it, the plain page serves."""
router = APIRouter(include_in_schema=False)
Wired = Annotated[Services, Depends(services_of)]


@router.get("/")
async def get_page(request: Request, services: Wired) -> Response:
    """The page; with ``?token=…`` a cookie and a redirect, so that the token does not stay in the address bar."""
    token = request.query_params.get("token")
    if token is None:
        page = BUNDLE if BUNDLE.is_file() else STATIC / "plain.html"
        return FileResponse(page, media_type="text/html")
    if not services.guard.is_token(token):
        raise ApiError(401, "unauthorized", "the token in this link is not this monitor's; `make token` prints it")
    answer = RedirectResponse("/", status_code=303)
    set_cookie(services, answer)
    return answer


@router.get("/docs")
async def get_docs() -> Response:
    """Every route with its arguments, from /openapi.json; no script from elsewhere."""
    return FileResponse(STATIC / "docs.html", media_type="text/html")


@router.get("/favicon.ico")
async def get_icon() -> Response:
    """Browsers ask for this name whatever the page says."""
    return FileResponse(STATIC / "icon.svg", media_type="image/svg+xml")
