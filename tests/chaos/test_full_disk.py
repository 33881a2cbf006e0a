"""A disk that takes no more costs time and nothing else: what cannot be written waits, and leaves no rest behind.

A limit on the size of files stands for it, which the kernel applies to a living process, and needs no rights.
"""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from app.shared.audio_store import AudioStore
from app.shared.errors import StorageFull
from tests.mimic import write_mimic
from tests.puppets import Puppets
from tests.recordings import encoded, tone
from tests.service import Service, wait_for

pytestmark = pytest.mark.chaos

SMALL = 4096


@pytest.fixture(scope="module")
def cramped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("cramped")
    service = Service(folder / "data", {"KAVOX_NOTEBOOKS_DIR": write_mimic(folder / "notebooks")})
    service.start()
    yield service
    service.end_everything()


@contextmanager
def no_room(*processes: psutil.Process) -> Iterator[None]:
    """Meanwhile these processes write no file beyond SMALL bytes."""
    before = [process.rlimit(psutil.RLIMIT_FSIZE) for process in processes]
    for process, (_, hard) in zip(processes, before, strict=True):
        process.rlimit(psutil.RLIMIT_FSIZE, (SMALL, hard))
    try:
        yield
    finally:
        for process, limits in zip(processes, before, strict=True):
            process.rlimit(psutil.RLIMIT_FSIZE, limits)


def test_a_run_is_published_once_there_is_room(cramped: Service) -> None:
    """Until then its job waits and says why; the kernel is pushed once, and nothing half-written stays."""
    puppets = Puppets(cramped)
    puppets.script()
    job = cramped.submit("No room yet.")
    kernel = puppets.kernel_of(job["id"])
    with no_room(*cramped.processes("workers.main")):
        puppets.finish(kernel)
        waiting = wait_for("the job to wait", lambda: cramped.job(job["id"])["waiting"])
        assert waiting["code"] == "storage_full"
    done = cramped.finished(job["id"])
    assert done["status"] == "succeeded", done["error"]
    assert len(cramped.audio(job["id"])) == done["audio"]["bytes"]
    assert puppets.pushes() == 1
    wait_for("the run to be over", lambda: not puppets.kernels())
    wait_for("its folder to be removed", lambda: not list((cramped.data_dir / "scratch").iterdir()))
    assert not list(cramped.data_dir.rglob("*.part"))
    puppets.close()


@pytest.mark.parametrize("seconds", [4, 55], ids=["kept in memory", "spooled to the disk"])
def test_a_recording_is_refused_for_now_and_taken_once_there_is_room(cramped: Service, seconds: float) -> None:
    """A clear 503, no voice that cannot speak, and nothing half-written."""

    def upload() -> tuple[int, str]:
        form = {"name": "Anne", "provider": "mimic", "consent": "true"}
        answer = cramped.http.post("/voices", data=form, files={"file": ("anne.wav", recording)})
        return answer.status_code, answer.json().get("code", "")

    def cloned() -> list[str]:
        voices = cramped.http.get("/voices", params={"provider": "mimic"}).json()["voices"]
        return [voice["id"] for voice in voices if voice["id"] != "beep"]

    recording = encoded(tone(seconds, silence=0.5))
    audio = cramped.data_dir / "audio"
    before, stored = cloned(), sorted(path.name for path in audio.rglob("*") if path.is_file())
    with no_room(*cramped.processes("app.main:create_app")):
        assert upload() == (503, "storage_full")
        assert cloned() == before
        assert sorted(path.name for path in audio.rglob("*") if path.is_file()) == stored
    assert upload()[0] == 201
    assert len(cloned()) == len(before) + 1


def test_audio_that_does_not_fit_leaves_nothing_behind(tmp_path: Path) -> None:
    """Not even under another name: nobody would ever delete it."""
    store, wav = AudioStore.open(None, tmp_path / "audio"), tmp_path / "a.wav"
    wav.write_bytes(bytes(20 * SMALL))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (SMALL, hard))
    try:
        with pytest.raises(StorageFull):
            store.put("a.wav", wav)
        with pytest.raises(StorageFull):
            store.put("b.wav", wav.read_bytes())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.name for path in (tmp_path / "audio").rglob("*")] == []
