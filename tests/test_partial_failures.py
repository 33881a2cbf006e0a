"""One bad text costs the others of its run nothing but time."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import soundfile

from tests.commands.command import Command, Ended
from tests.mimic import write_mimic
from tests.service import Service

pytestmark = pytest.mark.slow


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


def test_a_failure_is_seen_again_elsewhere_from_its_bundle(mimicry: Service, tmp_path: Path) -> None:
    """With the text it fails for the same reason, without it is spoken; another notebook is not run unasked."""
    [job] = speak(mimicry, ("To be refused.", {"seed": 5}))
    kavox = Command(tmp_path, URL=mimicry.url, NOTEBOOKS_DIR=mimicry.data_dir.parent / "notebooks")
    assert kavox("bundle --include-text -o plain.zip", job["id"]).out == b"plain.zip\n"
    assert kavox("bundle -o masked.zip", job["id"]).code == 0
    again = Ended(kavox.start("replay plain.zip"))
    assert again.code == 1
    assert again.errors.splitlines()[-1] == "kavox: the notebook ran, and the job's item failed: not in the mood"
    spoken = kavox("replay masked.zip -o spoken.wav")
    assert (spoken.code, soundfile.info(tmp_path / "spoken.wav").samplerate) == (0, 16000), spoken.errors
    refused = kavox("replay masked.zip", NOTEBOOKS_DIR=None)
    assert refused.code == 2
    assert "--trust-notebook" in refused.line
    (tmp_path / "none.zip").write_bytes(b"nothing")
    assert "is no bundle of a job" in kavox("replay none.zip").line
