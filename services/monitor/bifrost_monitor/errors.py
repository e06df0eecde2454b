"""Answers to what went wrong: one shape ``{error, reason}``, one sentence an operator can act on, never a traceback."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import psycopg2
from bifrost.db import DatabaseError
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException as StarletteHTTPException

from .keeper import one_line

log = logging.getLogger(__name__)

_WORDS = {404: "not_found", 405: "method_not_allowed", 413: "too_large", 400: "bad_request"}


class ApiError(Exception):
    """An answer other than success.

    Parameters
    ----------
    status
        HTTP status.
    error
        A stable word for programs.
    reason
        A sentence for people.
    more
        Further keys of the answer.
    """

    def __init__(
        self, status: int, error: str, reason: str, *, headers: Mapping[str, str] | None = None, **more: Any
    ) -> None:
        super().__init__(reason)
        self.status = status
        self.error = error
        self.reason = reason
        self.headers = dict(headers or {})
        self.more = more

    def response(self) -> JSONResponse:
        """The answer itself."""
        body = {"error": self.error, "reason": self.reason, **self.more}
        return JSONResponse(body, status_code=self.status, headers=self.headers)


def install_handlers(app: FastAPI) -> None:
    """Give every failure of a route its answer."""

    @app.exception_handler(ApiError)
    async def _api(_request: Request, error: ApiError) -> JSONResponse:
        return error.response()

    @app.exception_handler(DatabaseError)
    @app.exception_handler(psycopg2.Error)
    async def _database(request: Request, error: Exception) -> JSONResponse:
        log.warning("%s %s: %s", request.method, request.url.path, one_line(error))
        return ApiError(503, "database_unavailable", one_line(error)).response()

    @app.exception_handler(RequestValidationError)
    async def _invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        return ApiError(422, "invalid", describe(error.errors())).response()

    @app.exception_handler(StarletteHTTPException)
    async def _http(_request: Request, error: StarletteHTTPException) -> JSONResponse:
        word = _WORDS.get(error.status_code, "http_error")
        return ApiError(error.status_code, word, str(error.detail), headers=error.headers).response()


def describe(problems: Any) -> str:
    """One sentence that names every parameter, its value and what would be right."""
    told = []
    for problem in problems:
        place = [str(part) for part in problem["loc"] if part not in ("query", "path", "body", "header")]
        text = str(problem["msg"]).removeprefix("Value error, ")
        value = problem.get("input")
        shown = f" = {value!r}" if isinstance(value, str | int | float | bool) else ""
        told.append(f"{'.'.join(place) or 'body'}{shown}: {text}")
    return "; ".join(told)
