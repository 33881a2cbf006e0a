"""The tones of `teletype` say their text and nothing else; without that, chaos would prove nothing."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chaos.teletype import CAUSE, NOTEBOOK, REFUSED, read_back

TEXT = 'Zwölf "Boxkämpfer" \\ {{jagen}} Viktor.\n'


def spoken(folder: Path, *texts: str) -> list[Path]:
    """The wavs of these texts, from the notebook's own cell."""
    items = [{"id": str(number), "chunks": [text]} for number, text in enumerate(texts)]
    run = json.dumps({"run_id": "1", "provider": "teletype", "model": "baudot", "items": items})
    cells = f"import json; RUN = json.loads({run!r})\n{NOTEBOOK}"
    subprocess.run([sys.executable, "-c", cells], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return [folder / f"{number}.wav" for number in range(len(texts))]


def test_a_clip_is_read_back_as_its_own_text(tmp_path: Path) -> None:
    """Two texts that differ in one letter are told apart."""
    first, second = spoken(tmp_path, TEXT, TEXT.replace("V", "W"))
    assert read_back(first.read_bytes()) == TEXT
    assert read_back(second.read_bytes()) != TEXT


def test_a_refused_text_fails_alone(tmp_path: Path) -> None:
    """The notebook gives the scripted cause for it and speaks the other one."""
    refused, other = spoken(tmp_path, f"{REFUSED} words.", TEXT)
    items = json.loads((tmp_path / "result.json").read_text())["items"]
    assert (items[0]["status"], items[0]["error"]) == ("failed", CAUSE)
    assert not refused.exists()
    assert read_back(other.read_bytes()) == TEXT


@pytest.mark.parametrize(
    "spoilt",
    [lambda wav: wav[:44] + bytes(len(wav) - 44), lambda wav: wav[:-2], lambda wav: wav[44:], lambda _: b""],
    ids=["silent", "cut", "headless", "empty"],
)
def test_a_spoilt_clip_says_nothing(tmp_path: Path, spoilt: Callable[[bytes], bytes]) -> None:
    """Silence and broken files are no text, instead of a text by chance."""
    wav = spoilt(spoken(tmp_path, TEXT)[0].read_bytes())
    with pytest.raises(ValueError, match=r"no wav|whole number|nothing at all"):
        read_back(wav)
