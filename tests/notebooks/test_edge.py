"""edge.ipynb where Microsoft's service cannot be reached: all that can be known of it without the service."""

from pathlib import Path

import pytest

from tests.notebooks.local_run import LocalRun, an_item
from workers.kernel import KernelState

VOICE = "en-US-EmmaMultilingualNeural"


def test_edge_without_internet_says_so_for_each_item(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each item fails alone with the reason, the service is not tried for ever, and no text reaches the log."""
    monkeypatch.setenv("WSS_PROXY", "http://127.0.0.1:9")  # where nothing listens
    run = LocalRun(
        tmp_path,
        "edge",
        "edge",
        [
            an_item("first", "Hello there.", voice=VOICE),
            an_item("silent", "…", voice=VOICE),
            an_item("fast", "Hello there.", voice=VOICE, options={"speed": 3}),
            an_item("markup", "Hello there.", voice="en-US-'/><break/>Neural"),
            an_item("second", "Hello there.", voice=VOICE),
            an_item("third", "Hello there.", voice=VOICE),
        ],
    )

    assert run.status.state is KernelState.COMPLETE
    unreached = "Microsoft's speech service cannot be reached ({}); edge needs the internet"
    assert run.failures() == {
        "silent": "nothing to speak",
        "fast": "speed must be from 0.5 to 2",
        "markup": "edge's voices are named like en-US-EmmaMultilingualNeural",
        "third": unreached.format("not for the items before, so it was not tried again"),
        **dict.fromkeys(["first", "second"], unreached.format("ClientProxyConnectionError")),
    }
    assert run.files == {"result.json"}
    assert "Hello" not in run.log
