"""The pages, put together: signing in and out, errors, static files; the others in files of their own."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response

from service import auth
from service.dependencies import (
    COOKIE,
    Db,
    SettingsOf,
)
from service.errors import JourneymapError, NotFound, Unauthorized
from service.review import (
    bulk_pages,
    label_page,
    map_compare,
    map_page,
    map_versions_page,
    map_write,
    reconcile_page,
    sources,
    suggestion_pages,
)
from service.review.forms import Form, SignedInForm
from service.review.last_day import LastDay
from service.review.render import STATIC, page, wants_page

router = APIRouter(include_in_schema=False)
router.include_router(map_page.router)
router.include_router(map_write.router)
router.include_router(map_compare.router)
router.include_router(map_versions_page.router)
router.include_router(reconcile_page.router)
router.include_router(sources.router)
router.include_router(suggestion_pages.router)
router.include_router(bulk_pages.router)
router.include_router(label_page.router)


def install(app: FastAPI) -> None:
    """Let errors be pages where a person's browser asked."""

    def error_page(request: Request, error: JourneymapError) -> Response | None:
        if not wants_page(request):
            return None
        if isinstance(error, Unauthorized) and request.url.path != "/sign-in":
            return RedirectResponse("/sign-in", status_code=303)
        if isinstance(error, Unauthorized):
            context = {"token": None, "heading": "This link does not hold", "message": error.detail}
            return page("sign_in.html", context, status=error.status)
        return page("error.html", {"title": error.title, "detail": error.detail}, status=error.status)

    app.state.error_page = error_page
    app.add_middleware(LastDay)


@router.get("/static/{name}")
def static(name: str) -> FileResponse:
    """Our own styles, scripts and pictures."""
    path = STATIC / name
    if path.parent != STATIC or not path.is_file():
        raise NotFound("There is no such file.")
    return FileResponse(
        path, headers={"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
    )


@router.get("/sign-in")
def sign_in_page(token: str | None = None) -> HTMLResponse:
    """A button (and a script that presses it): fetching the address alone does not use the link up."""
    return page("sign_in.html", {"token": token, "heading": None, "message": None})


@router.post("/sign-in")
def sign_in(form: Form, session: Db, settings: SettingsOf) -> RedirectResponse:
    """Use up the link, give the browser its session."""
    cookie = auth.sign_in(session, form.get("token", ""), hours=settings.session_hours)
    answer = RedirectResponse("/map", status_code=303)
    answer.set_cookie(
        COOKIE,
        cookie,
        max_age=settings.session_hours * 3600,
        httponly=True,
        samesite="lax",
        secure=settings.public_url.startswith("https://"),
    )
    return answer


@router.post("/sign-out")
def sign_out(form: SignedInForm, request: Request, session: Db) -> RedirectResponse:
    """End the browser's session."""
    auth.sign_out(session, request.cookies.get(COOKIE, ""))
    answer = RedirectResponse("/sign-in", status_code=303)
    answer.delete_cookie(COOKIE)
    return answer
