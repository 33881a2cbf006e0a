"""Datasets: Kaggle's own command line, unmodified, and what a notebook finds among its inputs."""

import hashlib
import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
from kagglesdk.blobs.services.blob_api_service import BlobApiClient
from kagglesdk.blobs.types.blob_api_service import ApiBlobType, ApiStartBlobUploadRequest, ApiStartBlobUploadResponse
from kagglesdk.datasets.services.dataset_api_service import DatasetApiClient
from kagglesdk.datasets.types.dataset_api_service import (
    ApiCreateDatasetRequest,
    ApiDatasetNewFile,
    ApiGetDatasetRequest,
    ApiGetDatasetStatusRequest,
)

from .driver import OWNER, Emulator, notebook, wait_for

CONTENT = bytes(range(256)) * 1000


def write_dataset(folder: Path, slug: str, **files: bytes) -> None:
    """A folder as `kaggle datasets create` wants it."""
    folder.mkdir(exist_ok=True)
    metadata = {"id": f"{OWNER}/{slug}", "title": slug.replace("-", " "), "licenses": [{"name": "other"}]}
    (folder / "dataset-metadata.json").write_text(json.dumps(metadata))
    for name, content in files.items():
        (folder / f"{name}.bin").write_bytes(content)


def start_upload(emulator: Emulator, name: str, size: int) -> ApiStartBlobUploadResponse:
    request = ApiStartBlobUploadRequest()
    request.type, request.name, request.content_length = ApiBlobType.DATASET, name, size
    return BlobApiClient(emulator.http()).start_blob_upload(request)


def upload(emulator: Emulator, name: str, content: bytes) -> str:
    """The token of an uploaded blob."""
    started = start_upload(emulator, name, len(content))
    assert httpx.put(started.create_url, content=content).status_code == 200
    return str(started.token)


def create(emulator: Emulator, slug: str, *tokens: str, **fields: Any) -> Any:
    """The answer to a new dataset of these blobs."""
    request = ApiCreateDatasetRequest()
    settings = {"owner_slug": OWNER, "slug": slug, "title": slug, "license_name": "other", "is_private": True}
    for name, value in (settings | fields).items():
        setattr(request, name, value)
    request.files = [ApiDatasetNewFile.from_dict({"token": token}) for token in tokens]
    return DatasetApiClient(emulator.http()).create_dataset(request)


def status(emulator: Emulator, slug: str) -> str:
    request = ApiGetDatasetStatusRequest()
    request.owner_slug, request.dataset_slug = OWNER, slug
    return str(DatasetApiClient(emulator.http()).get_dataset_status(request).status.name)


def get(emulator: Emulator, slug: str) -> Any:
    request = ApiGetDatasetRequest()
    request.owner_slug, request.dataset_slug = OWNER, slug
    return DatasetApiClient(emulator.http()).get_dataset(request)


def test_a_dataset_is_created_renewed_listed_and_deleted(emulator: Emulator, tmp_path: Path) -> None:
    """The official command line sees a dataset through its whole life."""

    def kaggle(*arguments: str) -> str:
        return emulator.kaggle(*arguments, group="datasets")

    name = f"{OWNER}/my-first-voices"
    write_dataset(tmp_path / "set", "my-first-voices", one=b"1", two=CONTENT)
    created = kaggle("create", "-p", str(tmp_path / "set"))
    again = kaggle("create", "-p", str(tmp_path / "set"))
    (tmp_path / "set/three.bin").write_bytes(b"333")
    renewed = kaggle("version", "-p", str(tmp_path / "set"), "-m", "one more")
    assert kaggle("status", name).strip() == "ready"
    shown = get(emulator, "my-first-voices")
    files = kaggle("files", name)
    listed = kaggle("list", "--mine")
    deleted = kaggle("delete", name, "--yes")

    assert "Your private Dataset is being created" in created
    assert "already in use by a dataset" in again
    assert "Dataset version is being created" in renewed
    assert all(file in files for file in ("one.bin", "two.bin", "three.bin"))
    assert (shown.current_version_number, shown.is_private, shown.license_name) == (2, True, "other")
    assert name in listed
    assert "deleted successfully" in deleted
    with pytest.raises(requests.HTTPError) as caught:
        get(emulator, "my-first-voices")
    assert caught.value.response.status_code == 404


def test_the_command_line_resumes_an_upload(idle_emulator: Emulator, tmp_path: Path) -> None:
    """After a 503 it asks how much has arrived, and sends the rest."""
    idle_emulator.fault(call="Upload", kind="http_503_html")
    write_dataset(tmp_path / "set", "resumed-voices", one=CONTENT)
    created = idle_emulator.kaggle("create", "-p", str(tmp_path / "set"), group="datasets")
    assert "Upload successful: one.bin" in created
    assert idle_emulator.stats()["calls"]["Upload"] == 3


def test_an_interrupted_upload_says_how_much_has_arrived(idle_emulator: Emulator) -> None:
    """Half of the bytes are kept, and the other half completes the blob."""
    started = start_upload(idle_emulator, "half.bin", len(CONTENT))
    half, whole = len(CONTENT) // 2, len(CONTENT)
    question = {"Content-Range": f"bytes */{whole}"}
    nothing = httpx.put(started.create_url, headers=question)
    assert (nothing.status_code, nothing.headers.get("range")) == (308, None)
    first = httpx.put(
        started.create_url, content=CONTENT[:half], headers={"Content-Range": f"bytes 0-{half - 1}/{whole}"}
    )
    assert (first.status_code, first.headers["range"]) == (308, f"bytes=0-{half - 1}")
    assert httpx.put(started.create_url, headers=question).headers["range"] == f"bytes=0-{half - 1}"
    rest = {"Content-Range": f"bytes {half}-{whole - 1}/{whole}"}
    assert httpx.put(started.create_url, content=CONTENT[half:], headers=rest).status_code == 200
    assert httpx.put(f"{idle_emulator.url}/upload/unknown", content=b"x").status_code == 404
    assert httpx.put(started.create_url, content=CONTENT + b"x").status_code == 400


def test_a_blob_that_did_not_arrive_makes_no_dataset(idle_emulator: Emulator) -> None:
    """A token is worth nothing before its bytes are there."""
    started = start_upload(idle_emulator, "absent.bin", 5)
    with pytest.raises(requests.HTTPError):
        create(idle_emulator, "absent-voices", started.token)
    with pytest.raises(requests.HTTPError) as caught:
        status(idle_emulator, "absent-voices")
    assert caught.value.response.json()["error"]["message"] == "Permission 'datasets.get' was denied"


@pytest.mark.parametrize(
    ("slug", "fields", "error"),
    [
        ("short", {}, "slug must be between 6 and 50"),
        ("a" * 51, {"title": "a" * 50}, "slug must be between 6 and 50"),
        ("long-title", {"title": "a" * 51}, "title must be between 6 and 50"),
        ("Capital-Voices", {}, "lower-case letters"),
        ("little-subtitle", {"subtitle": "too short"}, "between 20 and 80"),
        ("free-for-all", {"license_name": ""}, "exactly one license"),
    ],
)
def test_a_dataset_needs_names_and_a_licence(
    idle_emulator: Emulator, slug: str, fields: dict[str, str], error: str
) -> None:
    """What breaks Kaggle's rules is refused with HTTP 200 and an error."""
    answer = create(idle_emulator, slug, upload(idle_emulator, "a.bin", b"a"), **fields)
    assert (answer.status, error in answer.error) == ("Error", True)


def test_a_dataset_is_public_unless_it_says_private(idle_emulator: Emulator) -> None:
    """A request without isPrivate makes a dataset that everybody can read, and that is listed for everybody."""
    create(idle_emulator, "open-voices", upload(idle_emulator, "a.bin", b"a"), is_private=False)
    create(idle_emulator, "closed-voices", upload(idle_emulator, "a.bin", b"a"))
    assert get(idle_emulator, "open-voices").is_private is False
    listed = [found.ref for found in DatasetApiClient(idle_emulator.http()).list_datasets().datasets]
    assert (f"{OWNER}/open-voices" in listed, f"{OWNER}/closed-voices" in listed) == (True, False)


def test_a_version_can_fail_on_demand(idle_emulator: Emulator) -> None:
    """A scripted fault lets the processing of an accepted dataset fail."""
    idle_emulator.fault(call="*", kind="fail_processing")
    assert create(idle_emulator, "broken-voices", upload(idle_emulator, "a.bin", b"a")).status == "Ok"
    assert status(idle_emulator, "broken-voices") == "FAILED"


def test_a_notebook_finds_its_datasets(emulator: Emulator) -> None:
    """Files lie where Kaggle mounts them, byte for byte, also after the dataset is gone; unknown ones are named."""
    create(emulator, "mounted-voices", upload(emulator, "voice.bin", CONTENT))
    source = notebook(
        "import hashlib, os, pathlib",
        f"file = pathlib.Path(os.environ['KAGGLE_INPUT_DIR'], 'datasets/{OWNER}/mounted-voices/voice.bin')",
        "open('sum', 'w').write(hashlib.sha256(file.read_bytes()).hexdigest())",
    )
    sources = [f"{OWNER}/mounted-voices", f"{OWNER}/never-uploaded", "somebody/else"]
    pushed = emulator.push("mounting-run", source, dataset_data_sources=sources)
    assert "deleted" in emulator.kaggle("delete", f"{OWNER}/mounted-voices", "--yes", group="datasets")
    assert pushed.invalid_dataset_sources == sources[1:]
    assert emulator.wait_until_ended("mounting-run") == "COMPLETE"
    assert emulator.output_text("mounting-run", "sum") == hashlib.sha256(CONTENT).hexdigest()


def test_datasets_are_processed_for_a_while_and_outlive_a_killed_emulator(
    start_emulator: Callable[..., Emulator],
) -> None:
    """A new version is not ready at once, cannot be used until then, and `kill -9` loses neither it nor an upload."""
    emulator = start_emulator(dataset_seconds=1, queue_seconds=3600)
    create(emulator, "sturdy-voices", upload(emulator, "a.bin", b"a"))
    token = upload(emulator, "b.bin", b"b")
    assert status(emulator, "sturdy-voices") == "BLOBS_RECEIVED"
    with pytest.raises(requests.HTTPError) as caught:
        emulator.push("early-run", notebook("1"), dataset_data_sources=[f"{OWNER}/sturdy-voices"])
    assert caught.value.response.status_code == 409
    emulator.stop(signal.SIGKILL)
    emulator.start()
    wait_for(lambda: status(emulator, "sturdy-voices") == "READY")
    assert get(emulator, "sturdy-voices").current_version_number == 1
    assert create(emulator, "second-voices", token).status == "Ok"
    pushed = emulator.push("late-run", notebook("1"), dataset_data_sources=[f"{OWNER}/sturdy-voices"])
    assert (pushed.version_number, pushed.invalid_dataset_sources) == (1, [])
