"""Trap 16: what the storage can give in place of a file."""

from pathlib import Path
from typing import Any

import pytest

from app.shared.errors import HostUnreachable
from tests.hosts import make_push
from tests.workers.emulator.driver import Emulator
from workers.downloads import fetch
from workers.kaggle import KaggleHost
from workers.kernel import Kernel

WAV = "RIFF of a voice"


@pytest.fixture
def kernel(emulator: Emulator, kaggle: KaggleHost) -> Kernel:
    """One that has ended and left a wav, beside a file under a name that leads elsewhere."""
    emulator.script("COMPLETE", outputs={"a.wav": WAV, "../evil.wav": "evil", "b.wav": WAV})
    return kaggle.push(make_push())


def test_trap_16_an_address_that_has_expired_is_asked_for_again(
    emulator: Emulator, kaggle: KaggleHost, kernel: Kernel, tmp_path: Path
) -> None:
    """The storage's error page is not saved as the file; where no address works, it is given up for now."""
    emulator.fault(call="Download", kind="expired_url")
    assert kaggle.download(kernel, {"a.wav"}, tmp_path) == {"a.wav"}
    assert (tmp_path / "a.wav").read_text() == WAV
    emulator.fault(call="Download", kind="expired_url", times=3)
    with pytest.raises(HostUnreachable, match="no working address"):
        kaggle.download(kernel, {"b.wav"}, tmp_path)


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "cut"},
        {"kind": "cut", "bytes": 0},
        {"kind": "cut", "bytes": len(WAV) - 1},
        {"kind": "html_200"},
        {"kind": "http_503_html"},
        {"kind": "http_500_json"},
        {"kind": "lost_response"},
        {"kind": "timeout_before", "seconds": 0.1},
    ],
)
def test_trap_16_a_file_is_fetched_whole_or_not_at_all(
    emulator: Emulator, kaggle: KaggleHost, kernel: Kernel, tmp_path: Path, fault: dict[str, Any]
) -> None:
    """What was cut, or is no file, is tried again; given up, it leaves nothing behind and can be fetched later."""
    emulator.fault(call="Download", times=3, **fault)
    with pytest.raises(HostUnreachable):
        kaggle.download(kernel, {"a.wav"}, tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert kaggle.download(kernel, {"a.wav"}, tmp_path) == {"a.wav"}
    assert (tmp_path / "a.wav").read_text() == WAV


def test_trap_16_an_empty_file_is_handed_over_as_empty(
    emulator: Emulator, kaggle: KaggleHost, kernel: Kernel, tmp_path: Path
) -> None:
    """A file that is announced as shorter than it is can only be known by its sum, which result.json has."""
    emulator.fault(call="Download", kind="short")
    kaggle.download(kernel, {"a.wav"}, tmp_path)
    assert (tmp_path / "a.wav").read_bytes() == b""


def test_trap_16_a_file_that_trickles_is_given_up(emulator: Emulator, kernel: Kernel, tmp_path: Path) -> None:
    """A byte now and then keeps no time-out from passing."""
    url = next(file.url for file in emulator.outputs(kernel.slug).files if file.file_name == "a.wav")
    emulator.fault(call="Download", kind="trickle", seconds=0.1)
    with pytest.raises(HostUnreachable, match="ReadTimeout"):
        fetch(url, tmp_path / "a.wav", max_seconds=0.3)
    assert list(tmp_path.iterdir()) == []


def test_trap_16_nothing_is_written_outside_the_folder(kaggle: KaggleHost, kernel: Kernel, tmp_path: Path) -> None:
    """A name with "../" is as good as not there, whoever asks for it."""
    folder = tmp_path / "outputs"
    folder.mkdir()
    assert kaggle.download(kernel, {"../evil.wav", "a.wav"}, folder) == {"a.wav"}
    assert sorted(path.name for path in tmp_path.rglob("*.wav")) == ["a.wav"]


def test_trap_16_a_list_that_goes_round_in_circles_is_no_proof(
    emulator: Emulator, kaggle: KaggleHost, kernel: Kernel, tmp_path: Path
) -> None:
    """The same page again and again does not make a file missing."""
    page = {"files": [], "nextPageToken": "b2Zmc2V0OjA="}
    emulator.fault(call="ListKernelSessionOutput", kind="alter", fields=page, times=2)
    with pytest.raises(HostUnreachable, match="no end"):
        kaggle.download(kernel, {"a.wav"}, tmp_path)
    assert kaggle.download(kernel, {"a.wav"}, tmp_path) == {"a.wav"}
