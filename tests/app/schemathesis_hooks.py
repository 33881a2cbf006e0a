"""What schemathesis cannot know of this service: recordings that it may send, and what its refusals mean."""

import os
import re
from typing import Any

import httpx
import schemathesis
from hypothesis import strategies as st

from tests.recordings import encoded, tone

RECORDING = tone(4)

# What a request of the right form may still be refused for: what it names is not there, or it does not go together.
# Every other refusal is of its form, and that is for the document to tell.
ABOUT_THE_FORM = {
    "invalid_json", "invalid_form", "unsupported_media_type", "body_too_large", "invalid_request", "missing_field",
    "unknown_field", "wrong_type", "invalid_value", "unsupported_format",
}  # fmt: skip

# These two are anybody's: what they may hold is said by a manifest, or by the bounds of what JSON is kept.
OPEN_FIELDS = ("options", "metadata")

for media_type, form in (("audio/wav", "WAV"), ("audio/flac", "FLAC"), ("audio/mpeg", "MP3"), ("audio/ogg", "OGG")):
    schemathesis.openapi.media_type(media_type, st.just(encoded(RECORDING, form=form)))


@schemathesis.hook
def map_body(context: schemathesis.HookContext, body: Any) -> Any:
    """Has voices cloned for a provider that clones. What the document forbids stays as it is."""
    form = getattr(body, "body", body)  # a form comes with the media types of its parts
    named = form.get("provider") if isinstance(form, dict) else None
    if _label(context) == "POST /voices" and isinstance(named, str) and 1 <= len(named) <= 200:
        form["provider"] = "qwen"
        if isinstance(form.get("language"), str):
            del form["language"]
    return body


@schemathesis.hook
def map_path_parameters(context: schemathesis.HookContext, path_parameters: dict[str, Any] | None) -> Any:
    """Has jobs and batches cancelled that wait, and messages sent again, where the document allows the id."""
    given = path_parameters or {}
    if _label(context) in _WITH_DELIVERIES:
        return _with_a_delivery(context, given)
    for name, label, form, waiting in _CANCELLED:
        if _label(context) == label and re.fullmatch(form, str(given.get(name, ""))):
            assert context.operation is not None
            return {**given, name: waiting(context.operation.schema.get_base_url())}
    return path_parameters


@schemathesis.check
def the_document_tells_every_form(_: schemathesis.CheckContext, response: Any, case: schemathesis.Case[Any]) -> None:
    """A request as the document wants it is never refused for its form."""
    if response.status_code not in {400, 422} or not _is_well_formed(case):
        return
    problem = response.json()
    error = problem.get("error", problem)
    # Of a batch they are listed by item, and each of them counts.
    for one in error.get("errors", [error]):
        field = str(one.get("field") or one.get("param"))
        if one["code"] in ABOUT_THE_FORM and not set(OPEN_FIELDS) & set(field.split(".")[:2]):
            raise AssertionError(f"{case.operation.label} refuses {field} for its form: {error}")


@schemathesis.check
class EveryOperationSucceeds:
    """Nothing was shown of an operation that was only ever refused."""

    def __init__(self) -> None:
        self._called: set[str] = set()
        self._done: set[str] = set()

    def after_response(self, _: schemathesis.CheckContext, response: Any, case: schemathesis.Case[Any]) -> None:
        """Notes who was called and who succeeded."""
        self._called.add(case.operation.label)
        if response.status_code < 300:
            self._done.add(case.operation.label)

    def after_run(self, _: schemathesis.CheckContext) -> None:
        """Each of them, at least once; the run without keys is too short for that."""
        if "ANNE_KEY" in os.environ:
            assert self._called == self._done, f"never succeeded: {sorted(self._called - self._done)}"


def _label(context: schemathesis.HookContext) -> str:
    return context.operation.label if context.operation else ""


_ANNE = {"Authorization": f"Bearer {os.environ['ANNE_KEY']}"} if "ANNE_KEY" in os.environ else {}


def _waiting_job(url: str) -> str:
    """The id of a job of anne's, or of anybody's, that the stage's worker leaves alone for a moment."""
    return _made(f"{url.rstrip('/')}/synthesize", _LATER)


def _waiting_batch(url: str) -> str:
    """The same for a batch."""
    return _made(f"{url.rstrip('/')}/batches", {"items": [_LATER]})


def _made(url: str, body: Any) -> str:
    return str(httpx.post(url, json=body, headers=_ANNE).raise_for_status().json()["id"])


_LATER = {"text": "Later.", "priority": "low"}
_CANCELLED = (
    ("job_id", "DELETE /jobs/{job_id}", "[0-9a-f]{21}", _waiting_job),
    ("batch_id", "DELETE /batches/{batch_id}", "batch-[0-9a-f]{21}", _waiting_batch),
)


_WITH_DELIVERIES = {
    "POST /jobs/{job_id}/deliveries/{delivery_id}": ("job_id", "[0-9a-f]{21}", "synthesize", "jobs"),
    "POST /batches/{batch_id}/deliveries/{delivery_id}": ("batch_id", "batch-[0-9a-f]{21}", "batches", "batches"),
}


def _with_a_delivery(context: schemathesis.HookContext, path_parameters: dict[str, Any]) -> dict[str, Any]:
    """The ids of a cancelled job or batch of anne's and of the message about that."""
    parameter, form, maker, place = _WITH_DELIVERIES[_label(context)]
    forms = {parameter: form, "delivery_id": "(batch-)?[0-9a-f]{21}-[1-9][0-9]{0,9}"}
    if not all(re.fullmatch(form, str(path_parameters.get(name, ""))) for name, form in forms.items()):
        return path_parameters
    assert context.operation is not None
    url = context.operation.schema.get_base_url().rstrip("/")
    wish = {"webhook": "https://example.org/kavox"}
    made = _made(f"{url}/{maker}", {**wish, **({"items": [_LATER]} if maker == "batches" else _LATER)})
    httpx.delete(f"{url}/{place}/{made}", headers=_ANNE).raise_for_status()
    return {parameter: made, "delivery_id": f"{made}-1"}


def _is_well_formed(case: schemathesis.Case[Any]) -> bool:
    return case.meta is not None and case.meta.generation.mode.is_positive
