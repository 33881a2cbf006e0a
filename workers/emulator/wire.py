"""The JSON that Kaggle answers with (kagglesdk `kernels_api_service.py`), and its two shapes of an error."""

import json
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import JSONResponse

from workers.emulator.clock import iso
from workers.emulator.models import Kernel, Session

STATUS_NAMES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ALREADY_EXISTS",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
}

T = TypeVar("T", dict[str, Any], list[Any])

KAGGLE_WEB = "https://www.kaggle.com"


class ApiError(Exception):
    """A call that Kaggle answers with an error status.

    api.kaggle.com nests it in "error" (cli#931); `legacy` is the flat shape of www.kaggle.com, the only one whose
    message kagglesdk's client understands (kaggle_http_client.py, `_prepare_response`).
    """

    def __init__(self, code: int, message: str, *, legacy: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.legacy = legacy

    def response(self) -> JSONResponse:
        body: dict[str, Any] = {"code": self.code, "message": self.message}
        if not self.legacy:
            body = {"error": body | {"status": STATUS_NAMES[self.code]}}
        return JSONResponse(body, self.code)


async def json_body(request: Request, kind: type[T]) -> T:
    """The request's body, which must be JSON of this kind."""
    try:
        body = json.loads(await request.body() or "{}")
    except ValueError:
        body = None
    if not isinstance(body, kind):
        raise ApiError(400, f"The body must be a JSON {kind.__name__}.")
    return body


def permission_denied(permission: str) -> ApiError:
    return ApiError(403, f"Permission '{permission}' was denied")


def not_found() -> ApiError:
    return ApiError(404, "Requested entity was not found.")


def accepted_push(
    owner: str, kernel: Kernel, session: Session, invalid_sources: dict[str, list[str]]
) -> dict[str, Any]:
    """The answer to a push that became a version."""
    ref = f"/code/{owner}/{kernel.slug}"
    return _push(ref, f"{KAGGLE_WEB}{ref}", session.version, "", kernel.id) | invalid_sources


def refused_push(error: str) -> dict[str, Any]:
    """The answer to a push that the account's limits do not allow: HTTP 200 all the same."""
    return _push("", "", 0, error, 0)


def _push(ref: str, url: str, version: int, error: str, kernel_id: int) -> dict[str, Any]:
    return {
        "ref": ref,
        "url": url,
        "versionNumber": version,
        "hasVersionNumber": bool(version),
        "error": error,
        "hasError": bool(error),
        "errorNullable": error,
        "kernelId": kernel_id,
        "invalidTags": [],
        "invalidDatasetSources": [],
        "invalidCompetitionSources": [],
        "invalidKernelSources": [],
        "invalidModelSources": [],
    }


def kernel_metadata(owner: str, kernel: Kernel, session: Session, newest: Session) -> dict[str, Any]:
    """A kernel as GetKernel and ListKernels show it, with the settings of the session's version."""
    settings = session.settings
    return {
        "id": kernel.id,
        "ref": f"{owner}/{kernel.slug}",
        "title": kernel.title,
        "author": owner,
        "slug": kernel.slug,
        "lastRunTime": iso(newest.pushed_at),
        "language": settings.get("language"),
        "kernelType": settings.get("kernelType"),
        # A push that says nothing about privacy counts as public, so that forgetting it is noticed here.
        "isPrivate": bool(settings.get("isPrivate")),
        "enableGpu": session.gpu,
        "enableTpu": bool(settings.get("enableTpu")),
        "enableInternet": bool(settings.get("enableInternet")),
        "categoryIds": settings.get("categoryIds", []),
        "datasetDataSources": settings.get("datasetDataSources", []),
        "kernelDataSources": settings.get("kernelDataSources", []),
        "competitionDataSources": settings.get("competitionDataSources", []),
        "modelDataSources": settings.get("modelDataSources", []),
        "totalVotes": 0,
        "currentVersionNumber": newest.version,
        "dockerImage": settings.get("dockerImage", ""),
        "machineShape": settings.get("machineShape", ""),
    }
