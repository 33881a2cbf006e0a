"""docs/adding-a-provider.md, followed to the letter: its two files are dropped into a folder, and they speak."""

import json
import re
import shlex
import shutil
import wave
from io import BytesIO
from pathlib import Path

import pytest

from tests.conftest import StartService
from tests.notebooks import test_contract as contract
from tests.notebooks.local_run import NOTEBOOKS

PAGE = (Path(__file__).parents[2] / "docs" / "adding-a-provider.md").read_text(encoding="utf-8")


def test_the_two_files_of_the_docs_make_a_provider(start_service: StartService, tmp_path: Path) -> None:
    """Nothing but the folder changes, and the new voice is listed, refuses what it has not, and speaks."""
    folder = tmp_path / "notebooks"
    shutil.copytree(NOTEBOOKS, folder)
    for name, kind in (("beep.toml", "toml"), ("beep.ipynb", "json")):
        (folder / name).write_text(_block(kind, after=f"`notebooks/{name}`") + "\n", encoding="utf-8")
    request = json.loads(shlex.split(_block("sh", after="## Speaking with it").replace("\\\n", " "))[-1])

    service = start_service(KAVOX_NOTEBOOKS_DIR=folder)
    voices = service.http.get("/voices", params={"provider": "beep"}).json()["voices"]
    assert [voice["id"] for voice in voices] == ["low", "high"]
    refusal = service.http.post("/synthesize", json={**request, "options": {"speed": 9}})
    assert refusal.status_code == 422
    jobs = [service.submit(**request), service.submit(**request, options={"speed": 2})]
    slow, fast = (service.finished(job["id"]) for job in jobs)

    assert (slow["status"], slow["run"]["host"], slow["run"]["engine"]) == ("succeeded", "local", "beep 1")
    assert fast["audio"]["duration_seconds"] < slow["audio"]["duration_seconds"]
    with wave.open(BytesIO(service.audio(slow["id"]))) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 24000)
        assert file.getnframes() / 24000 == pytest.approx(0.05 * len("Hellooutthere.") + 3 * 0.1, abs=0.01)


def test_the_notebook_of_the_docs_keeps_the_contract(tmp_path: Path) -> None:
    """The example is held to what every notebook is held to."""
    path = tmp_path / "beep.ipynb"
    path.write_text(_block("json", after="`notebooks/beep.ipynb`") + "\n", encoding="utf-8")

    contract.test_a_notebook_is_seven_cells_each_under_its_heading(path)
    contract.test_a_notebook_is_valid_small_and_clean(path)
    contract.test_a_notebook_turns_no_data_into_code(path)


def _block(kind: str, *, after: str) -> str:
    """The first block of this kind behind a heading."""
    found = re.search(rf"^```{kind}\n(.*?)\n```$", PAGE[PAGE.index(after) :], re.MULTILINE | re.DOTALL)
    assert found, f"the page has no block of {kind} after {after}"
    return found[1]
