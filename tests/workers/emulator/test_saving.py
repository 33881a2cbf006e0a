"""What the emulator accepts, files elsewhere, or refuses when a notebook is pushed."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from requests import HTTPError

from workers.emulator.rules import slugify

from .driver import OWNER, Emulator, notebook

QUICK = notebook("1 + 1")
SLEEPING = notebook("import time; time.sleep(600)")


def error_of(caught: pytest.ExceptionInfo[HTTPError]) -> dict[str, Any]:
    """The error that api.kaggle.com nests in the body, which the client does not read."""
    error: dict[str, Any] = caught.value.response.json()["error"]
    return error


def test_settings_are_stored_with_each_version(idle_emulator: Emulator) -> None:
    """GetKernel shows what was pushed, privacy and machine included, for the version that is asked for."""
    idle_emulator.push("kept-settings", QUICK, machine_shape="NvidiaTeslaT4", enable_internet=False)
    idle_emulator.push("kept-settings", notebook("2"), is_private=False)

    first, newest = idle_emulator.get("kept-settings", "v1"), idle_emulator.get("kept-settings")

    assert (first.metadata.is_private, newest.metadata.is_private) == (True, False)
    assert first.metadata.machine_shape == "NvidiaTeslaT4"
    assert (first.metadata.enable_internet, newest.metadata.enable_internet) == (False, True)
    assert (first.metadata.ref, first.metadata.current_version_number) == (f"{OWNER}/kept-settings", 2)
    assert first.blob.source == QUICK


def test_a_version_is_named_by_its_label_only(idle_emulator: Emulator) -> None:
    """A version is reached as v1; a bare number and an unknown version are not found."""
    idle_emulator.push("labelled-run", QUICK)
    assert idle_emulator.status("labelled-run", "v1") == "QUEUED"
    for label in ("1", "v2", "v01"):
        with pytest.raises(HTTPError) as caught:
            idle_emulator.status("labelled-run", label)
        assert error_of(caught)["status"] == "NOT_FOUND"


def test_the_slug_follows_the_title(idle_emulator: Emulator) -> None:
    """A push whose title does not match its slug is filed at the title's address."""
    pushed = idle_emulator.push("wanted-address", QUICK, new_title="Résumé: another Address!")
    assert pushed.ref == f"/code/{OWNER}/resume-another-address"
    assert idle_emulator.get("resume-another-address").metadata.title == "Résumé: another Address!"
    with pytest.raises(HTTPError):
        idle_emulator.get("wanted-address")


def test_a_new_title_moves_a_kernel(idle_emulator: Emulator) -> None:
    """A push to a kernel under another title is its next version, at the new title's address."""
    idle_emulator.push("old-address", QUICK)
    moved = idle_emulator.push("old-address", QUICK, new_title="New address")
    assert (moved.version_number, moved.ref) == (2, f"/code/{OWNER}/new-address")
    with pytest.raises(HTTPError):
        idle_emulator.get("old-address")


def test_a_title_in_use_is_refused(idle_emulator: Emulator) -> None:
    """A title whose address another kernel has is a conflict, in Kaggle's words."""
    idle_emulator.push("first-come", QUICK)
    with pytest.raises(HTTPError) as caught:
        idle_emulator.push("second-come", QUICK, new_title="First come")
    assert error_of(caught) == {
        "code": 409,
        "message": "The requested title is already in use by a notebook. Please choose another title.",
        "status": "ALREADY_EXISTS",
    }


def test_a_short_title_is_refused(idle_emulator: Emulator) -> None:
    """A title of four characters is refused."""
    with pytest.raises(HTTPError) as caught:
        idle_emulator.push("long-enough", QUICK, new_title="four")
    assert error_of(caught)["message"] == "Title must be at least five characters"


def test_a_megabyte_of_source_is_refused(idle_emulator: Emulator) -> None:
    """A source of 1 MB is refused in Kaggle's words, which this older shape of an error lets the client read."""
    with pytest.raises(HTTPError, match="The kernel source must be less than 1 megabytes in size") as caught:
        idle_emulator.push("too-large", notebook("#" * 1_000_000))
    assert caught.value.response.status_code == 400


def test_cells_whose_source_is_a_list_are_an_internal_error(idle_emulator: Emulator) -> None:
    """A notebook with a list for a source is Kaggle's internal error."""
    document = json.loads(QUICK)
    document["cells"][0]["source"] = ["1 +", " 1"]
    with pytest.raises(HTTPError) as caught:
        idle_emulator.push("list-source", json.dumps(document))
    assert error_of(caught)["code"] == 500


def test_unknown_sources_are_named_and_the_push_is_accepted(idle_emulator: Emulator) -> None:
    """A dataset or a model that is not there is listed in the answer, and the notebook runs without it."""
    pushed = idle_emulator.push(
        "sourceless", QUICK, dataset_data_sources=["a/voices"], model_data_sources=["a/b/c/d/1"]
    )
    assert (pushed.version_number, pushed.error) == (1, "")
    assert pushed.invalid_dataset_sources == ["a/voices"]
    assert pushed.invalid_model_sources == ["a/b/c/d/1"]


def test_a_third_gpu_session_is_refused_with_status_200(idle_emulator: Emulator) -> None:
    """With two GPU sessions open a third is refused in the answer's error field, and no kernel comes of it."""
    for number in (1, 2):
        assert idle_emulator.push(f"gpu-run-{number}", SLEEPING, enable_gpu=True).version_number == 1

    refused = idle_emulator.push("gpu-run-3", SLEEPING, enable_gpu=True)

    assert refused.error == "Maximum batch GPU session count of 2 reached."
    assert (refused.version_number, refused.ref, refused.kernel_id) == (0, "", 0)
    assert [kernel.slug for kernel in idle_emulator.listed().kernels] == ["gpu-run-2", "gpu-run-1"]
    idle_emulator.delete("gpu-run-1")
    assert idle_emulator.push("gpu-run-3", SLEEPING, enable_gpu=True).error == ""


def test_a_sixth_cpu_session_is_refused(start_emulator: Callable[..., Emulator]) -> None:
    """Five sessions without a GPU may be open, whatever the GPU sessions, and a sixth is refused."""
    emulator = start_emulator(queue_seconds=600)
    emulator.push("gpu-run", SLEEPING, enable_gpu=True)
    errors = [emulator.push(f"cpu-run-{number}", SLEEPING).error for number in range(6)]
    assert errors == [""] * 5 + ["Maximum batch CPU session count of 5 reached."]
    stats = emulator.stats()
    assert (stats["pushes_accepted"], stats["pushes_refused"], stats["most_sessions_at_once"]) == (6, 1, 6)


def test_a_new_kernel_stays_invisible_for_the_lag(start_emulator: Callable[..., Emulator]) -> None:
    """Within the visibility lag a new kernel's reads are denied and no list has it."""
    emulator = start_emulator(visibility_lag_seconds=600)
    assert emulator.push("shy-kernel", QUICK).version_number == 1
    with pytest.raises(HTTPError) as caught:
        emulator.get("shy-kernel")
    assert error_of(caught)["message"] == "Permission 'kernels.get' was denied"
    assert emulator.listed().kernels == []


def test_kernels_are_listed_by_page_and_search(idle_emulator: Emulator) -> None:
    """ListKernels pages by token and by number, newest first, and searches titles."""
    for name in ("alpha", "bravo", "charlie"):
        idle_emulator.push(f"kernel-{name}", QUICK)

    first = idle_emulator.listed(page_size=2)
    second = idle_emulator.listed(page_size=2, page_token=first.next_page_token)

    assert [kernel.slug for kernel in first.kernels] == ["kernel-charlie", "kernel-bravo"]
    assert [kernel.slug for kernel in second.kernels] == ["kernel-alpha"]
    assert second.next_page_token == ""
    assert [kernel.slug for kernel in idle_emulator.listed(page_size=2, page=2).kernels] == ["kernel-alpha"]
    assert [kernel.title for kernel in idle_emulator.listed(search="bravo").kernels] == ["kernel bravo"]


@pytest.mark.parametrize(
    ("title", "slug"), [("Kavox run 01", "kavox-run-01"), ("  Grüne -- Tür, 2  ", "grune-tur-2"), ("日本", "")]
)
def test_slugs_are_plain_ascii(title: str, slug: str) -> None:
    """A slug keeps a title's ASCII letters and digits, with single dashes between them."""
    assert slugify(title) == slug


def test_credentials_are_checked(idle_emulator: Emulator) -> None:
    """A wrong key is unauthenticated; the key as a token, with or without its prefix, is let in."""
    with pytest.raises(HTTPError) as caught:
        idle_emulator.client(username=OWNER, password="wrong").list_kernels()  # noqa: S106 a wrong one
    assert error_of(caught)["code"] == 401
    for token in ("sesame", "KGAT_sesame"):
        assert idle_emulator.client(api_token=token).list_kernels() is not None
    introspected = httpx.post(
        f"{idle_emulator.url}/v1/security.OAuthService/IntrospectToken", json={"token": "KGAT_sesame"}
    ).json()
    assert (introspected["active"], introspected["username"]) == (True, OWNER)
