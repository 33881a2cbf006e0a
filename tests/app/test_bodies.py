"""Bodies that are no JSON, no Unicode, of another type or too long."""

from collections.abc import Iterator

import httpx
import pytest

from tests.app.workshop import Workshop

JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("body", "position"),
    [
        (b"", "character 0"),
        (b'{"text": "a"', "character 12"),
        (b'{"text": "a",}', "character"),
        (b'{\n"text": nope}', "line 2, column 9"),
        (b'{"text": "\xff"}', "byte 10"),
        (b'{"text": "a\nb"}', "character 11"),
        (b'{"text": "a", "options": {"speed": NaN}}', "NaN"),
        (b'{"text": "a", "seed": ' + b"1" * 5000 + b"}", "digits"),
        (b"[" * 100_000, ""),
    ],
)
def test_a_body_that_is_not_json_is_told_where(api: httpx.Client, body: bytes, position: str) -> None:
    """Broken JSON is a 400 that says where it breaks."""
    answer = api.post("/synthesize", content=body, headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_json")
    assert position in answer.json()["detail"]


@pytest.mark.parametrize("body", ["[]", "null", "5", '"text"', "true"])
def test_json_that_is_no_object_is_refused(api: httpx.Client, body: str) -> None:
    """The body has to be an object; otherwise the body itself is the culprit."""
    answer = api.post("/synthesize", content=body, headers=JSON)
    assert (answer.status_code, answer.json()["field"], answer.json()["code"]) == (422, "body", "wrong_type")


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", None])
def test_another_media_type_is_refused(api: httpx.Client, media_type: str | None) -> None:
    """Only JSON is read, and it has to call itself so."""
    headers = {"content-type": media_type} if media_type else {}
    answer = api.post("/synthesize", content=b'{"text": "a"}', headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize("media_type", ["application/json; charset=utf-8", "Application/JSON", "application/x+json"])
def test_json_under_its_other_names_is_read(api: httpx.Client, media_type: str) -> None:
    """Parameters, capitals and suffixes of the media type do not matter."""
    answer = api.post("/synthesize", content=b'{"text": "a"}', headers={"content-type": media_type})
    assert answer.status_code == 202


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (r'{"text": "a\ud800"}', "text"),
        (r'{"text": "a", "voice": "\udfff"}', "voice"),
        (r'{"text": "a", "options": {"mood": "\ud83d"}}', "options.mood"),
        (r'{"text": "a", "metadata": {"a": ["b", "\udc00"]}}', "metadata.a.1"),
        (r'{"text": "a", "metadata": {"\udc00": 1}}', "metadata.?"),
        (r'{"text": "a", "\ud800": 1}', "?"),
    ],
)
def test_half_a_surrogate_pair_is_refused(api: httpx.Client, body: str, field: str) -> None:
    """A lone surrogate anywhere is refused by the name of its field; the answer itself is sound UTF-8."""
    answer = api.post("/synthesize", content=body, headers=JSON)
    assert (answer.status_code, answer.json()["field"], answer.json()["code"]) == (422, field, "invalid_unicode")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ('{"text": "a", "metadata": {"n": 1e999}}', "metadata.n"),
        ('{"text": "a", "metadata": {"deep": ' + "[" * 60 + "]" * 60 + "}}", "metadata"),
        ('{"text": "a", "metadata": {"' + "k" * 100_000 + '": [' + "0," * 50_000 + "0]}}", "metadata"),
    ],
)
def test_what_cannot_be_passed_on_is_refused(api: httpx.Client, body: str, field: str) -> None:
    """Numbers beyond all bounds, bottomless nesting and values without end are refused before they are stored."""
    answer = api.post("/synthesize", content=body, headers=JSON)
    assert (answer.status_code, answer.json()["field"], answer.json()["code"]) == (422, field, "invalid_value")


def test_a_refusal_is_short_however_much_is_wrong(api: httpx.Client) -> None:
    """Twenty mistakes are listed, names are cut, and how many more there are is said."""
    answer = api.post("/synthesize", json={"text": "a"} | {f"{number}{'x' * 1000}": 1 for number in range(100)})
    assert answer.status_code == 422
    assert len(answer.json()["errors"]) == 20
    assert answer.json()["detail"].endswith("; 80 more mistakes are not listed")
    assert len(answer.content) < 5000


def test_a_refused_batch_repeats_no_long_name_for_each_item(api: httpx.Client) -> None:
    """An option that there is not is quoted as far as it takes to find it."""
    batch = {"items": [{"text": "a"}] * 50, "defaults": {"options": {"x" * 10_000: 1}}}
    answer = api.post("/batches", json=batch)
    assert (answer.status_code, answer.json()["code"]) == (422, "batch_invalid")
    assert [one["index"] for one in answer.json()["errors"]] == list(range(50))
    assert len(answer.content) < 50_000


def test_a_body_above_the_limit_is_refused(api: httpx.Client) -> None:
    """A body that says that it is too long is a 413, whatever is in it."""
    answer = api.post("/synthesize", json={"text": "a" * 2_000_000})
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert answer.headers["content-type"] == "application/problem+json"


def test_an_endless_body_is_refused(api: httpx.Client) -> None:
    """A body without a stated length is a 413 as soon as it is too long."""

    def pieces() -> Iterator[bytes]:
        yield b'{"text": "'
        for _ in range(200):
            yield b"a" * 10_000

    answer = api.post("/synthesize", content=pieces(), headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


def test_the_limit_leaves_room_for_escapes(api: httpx.Client, workshop: Workshop) -> None:
    """The longest text passes though every character is written as two escapes."""
    workshop.announce("edge")
    body = '{"provider": "edge", "text": "a' + r"\ud83d\ude00" * 4999 + '"}'
    assert api.post("/synthesize", content=body, headers=JSON).status_code == 202


def test_characters_of_every_kind_are_data(api: httpx.Client) -> None:
    """NUL, line separators and the like are part of the text, not mistakes."""
    text = 'a\x00\u2028\ufeff\U0010ffff"\\'
    assert api.post("/synthesize", json={"text": text}).json()["characters"] == len(text)
