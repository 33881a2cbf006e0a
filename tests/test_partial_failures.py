"""One bad text costs the others of its run nothing but time."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.mimic import write_mimic
from tests.service import Service


@pytest.fixture(scope="module")
def mimicry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("mimicry")
    notebooks = write_mimic(folder / "notebooks")
    service = Service(folder / "data", {"KAVOX_NOTEBOOKS_DIR": notebooks, "KAVOX_WORKERS": 3})
    service.start()
    yield service
    service.end_everything()


def speak(service: Service, *requests: tuple[str, dict[str, object]]) -> list[dict[str, Any]]:
    """The ended jobs of texts that were sent at once."""
    jobs = [service.submit(text, **fields) for text, fields in requests]
    return [service.finished(job["id"], seconds=150) for job in jobs]


def test_a_text_that_kills_its_notebook_is_found_and_the_others_are_spoken(mimicry: Service) -> None:
    """The run's jobs go again in halves until the culprit is alone; it fails with the cause of the death."""
    texts = ["One.", "Two.", "This is deadly.", "Four."]
    done = speak(mimicry, *[(text, {}) for text in texts])
    assert [job["status"] for job in done] == ["succeeded", "succeeded", "failed", "succeeded"], done
    error = done[2]["error"]
    assert error["code"] == "notebook_failed"
    assert "died" in error["detail"], error


def test_a_text_that_fails_alone_has_one_more_go_with_another_seed(mimicry: Service) -> None:
    """Unless its request named the seed; and what is refused twice fails, with the notebook's reason."""
    before = mimicry.kaggle_stats()["pushes_accepted"]
    fine, moody, seeded, refused = speak(
        mimicry,
        ("Fine.", {}),
        ("Rather moody.", {}),
        ("This is refused, with a seed.", {"seed": 5}),
        ("To be refused.", {}),
    )
    assert (fine["status"], moody["status"]) == ("succeeded", "succeeded"), moody
    for job in (seeded, refused):
        assert (job["status"], job["error"]["code"]) == ("failed", "synthesis_failed")
        assert "not in the mood" in job["error"]["detail"]
    assert fine["run"]["id"] == seeded["run"]["id"]
    assert moody["run"]["id"] == refused["run"]["id"] != fine["run"]["id"]
    assert mimicry.kaggle_stats()["pushes_accepted"] - before == 2
