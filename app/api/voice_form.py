"""Reads the form of POST /voices, and says exactly what is wrong with one that cannot be read."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints, ValidationError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from app.api.mistakes import invalid
from app.api.problems import BodyTooLarge, InvalidForm, UnsupportedMediaType
from app.api.schemas import Choice
from app.shared.errors import RequestRefused, StorageFull

LARGEST_FILE = 20 * 1024 * 1024
_LONGEST_FIELD = 16 * 1024
_MOST_FIELDS = 10
FORM_LIMIT = LARGEST_FILE + 2 * _MOST_FIELDS * _LONGEST_FIELD
"""The longest form, in bytes: the file, the fields and what stands between them."""

UPLOAD_NOTICE = (
    "The recording is uploaded to Kaggle, as a private dataset, when it is first spoken with there. As others report, "
    "uploads carry a licence to Kaggle and deletion can take months."
)
NOTICE = f"Send consent=true only if the person who is heard agrees to being cloned. {UPLOAD_NOTICE}"

Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
_NOT_BLANK: dict[str, JsonValue] = {"pattern": r"\S"}


class VoiceForm(BaseModel):
    """The fields of POST /voices beside its file."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[Line, Field(max_length=64, description="Yours, for your own lists.", json_schema_extra=_NOT_BLANK)]
    provider: Annotated[Choice, Field(description="One of GET /providers with a model that clones.")]
    transcript: Annotated[
        Line | None, Field(max_length=1000, description="The words of the recording.", json_schema_extra=_NOT_BLANK)
    ] = None
    language: Annotated[Choice | None, Field(description="What to speak unless a job says otherwise.")] = None
    consent: Annotated[str, Field(pattern="^true$", description=NOTICE)]


@asynccontextmanager
async def voice_form(request: Request) -> AsyncIterator[tuple[VoiceForm, UploadFile]]:
    """The fields and the file, which is on disk, and there for as long as the block runs.

    Raises UnsupportedMediaType, InvalidForm, StorageFull, BodyTooLarge, RequestRefused or RequestValidationError.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "multipart/form-data":
        raise UnsupportedMediaType(
            f"the body is '{media_type or 'of no stated type'}'; send a multipart/form-data form"
        )
    try:
        form = await request.form(max_files=1, max_fields=_MOST_FIELDS, max_part_size=_LONGEST_FIELD)
    except HTTPException as error:
        raise InvalidForm(f"the form cannot be read: {error.detail}") from None
    except ValueError:
        # What Python says of a charset that it cannot decode with.
        raise InvalidForm("the form cannot be read: send it as UTF-8, without another charset") from None
    except OSError as error:
        # A long recording is kept in a temporary file while it comes in.
        raise StorageFull(f"the recording cannot be kept for now ({error.strerror}); free some space") from None
    try:
        fields = _by_name(form.multi_items())
        file = fields.pop("file", None)
        yield _checked(fields), _checked_file(file)
    finally:
        await form.close()


def _by_name(items: list[tuple[str, UploadFile | str]]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, value in items:
        if name in fields:
            raise RequestRefused(name, "is given more than once", code="invalid_value")
        fields[name] = value
    return fields


def _checked(fields: dict[str, Any]) -> VoiceForm:
    if fields.get("consent") != "true":
        raise RequestRefused("consent", NOTICE, code="consent_required")
    try:
        return VoiceForm.model_validate(fields)
    except ValidationError as error:
        raise invalid(error, "body") from None


def _checked_file(file: UploadFile | str | None) -> UploadFile:
    if not isinstance(file, UploadFile):
        what = "is required" if file is None else "must be a file, with a file name"
        raise RequestRefused("file", what, code="missing_field" if file is None else "wrong_type")
    if (file.size or 0) > LARGEST_FILE:
        raise BodyTooLarge(f"the file is longer than {LARGEST_FILE} bytes")
    return file
