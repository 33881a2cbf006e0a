"""What a kernel's log says of a failure: how far the notebook came, why it ended, and whose fault that is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.shared.errors import ImageChanged, NotebookFailed
from tests.workers.logs import marker, papermill_failure, session
from workers.diagnosis import diagnose, failure
from workers.kernel import LogRecord

INSTALLING = ("stdout", marker(1, "installing"))
LOADING = ("stdout", marker(2, "loading"))
SYNTHESIZING = ("stdout", marker(3, "synthesizing") + marker(4, "synthesizing", "job-1", 1, 2))


def err(*lines: str) -> tuple[str, str]:
    return "stderr", "".join(f"{line}\n" for line in lines)


def failed(*traceback: str, times: int = 1) -> tuple[str, str]:
    return "stderr", papermill_failure(4, *traceback, times=times)


PIP_EXIT = (
    "CalledProcessError: Command '['/usr/bin/python3', '-m', 'pip', 'install', '--quiet', 'speechkit==0.2.1']' "
    "returned non-zero exit status 1."
)


def test_the_cause_is_what_papermill_met_and_not_what_was_printed_last() -> None:
    """Colours, the wrapper around the exception, its second copy and nbconvert's own trouble are passed over."""
    found = diagnose(
        session(
            SYNTHESIZING,
            failed("RuntimeError: the engine fell over", times=2),
            err("Traceback (most recent call last):", "  File x", "traitlets.TraitError: no such exporter"),
        )
    )
    assert found.cause == "RuntimeError: the engine fell over"
    assert (found.phase_reached, found.image_changed, found.reached_items) == ("synthesizing", False, True)


def test_without_papermills_words_the_cause_is_the_last_exception() -> None:
    """A traceback's last line says more than what was printed after it."""
    log = session(err("Traceback (most recent call last):", '  File "x.py", line 1', "ValueError: no such voice"))
    assert diagnose(log).cause == "ValueError: no such voice"


def test_an_exception_is_told_with_the_one_that_it_came_of() -> None:
    """Where one error was turned into another, the innermost one is named too."""
    chained = (
        "KeyError: 'speaker_7'",
        "",
        "The above exception was the direct cause of the following exception:",
        "",
        "RuntimeError              Traceback (most recent call last)",
        "File /usr/local/lib/speech/voices.py:31, in load(name)",
        "RuntimeError: the voices cannot be read",
    )
    found = diagnose(session(SYNTHESIZING, failed(*chained)))
    assert found.cause == "RuntimeError: the voices cannot be read (from KeyError: 'speaker_7')"


def test_a_failed_assertion_on_the_gpu_says_which() -> None:
    """CUDA's own message names no reason; the line that does stands far above it."""
    kernel = "/pytorch/aten/src/ATen/native/cuda/TensorCompare.cu:112: _assert_async_cuda_kernel: block: [0,0,0]"
    log = session(
        SYNTHESIZING,
        err(f"{kernel}, thread: [0,0,0] Assertion `probability tensor contains inf` failed."),
        failed("AcceleratorError: CUDA error: device-side assert triggered"),
    )
    assert diagnose(log).cause.endswith("device-side assert triggered (probability tensor contains inf)")


def test_a_process_that_was_killed_is_told_as_one() -> None:
    """Nothing of a notebook's is left to say that memory ran out, so the cause says it."""
    log = session(
        SYNTHESIZING,
        err("Traceback (most recent call last):", '  File "c.py"', "nbclient.exceptions.DeadKernelError: Kernel died"),
    )
    found = diagnose(log)
    assert "want of memory" in found.cause
    assert found.reached_items


@pytest.mark.parametrize(
    ("before", "last", "package"),
    [
        ([INSTALLING, LOADING], "ModuleNotFoundError: No module named 'speechkit.voices'", "speechkit"),
        ([LOADING], "ImportError: cannot import name 'check_inputs' from 'transformers.utils' (x)", "transformers"),
        ([LOADING], "ImportError: tokenizers>=0.22,<=0.23 is required for this module, but found 0.20", "tokenizers"),
        ([LOADING], "ImportError: /usr/lib/_torchaudio.so: undefined symbol: _ZNK3c10", "_torchaudio.so"),
        ([LOADING], "OSError: libcudart.so.12: cannot open shared object file: No such file", "libcudart.so.12"),
        ([LOADING], "AttributeError: module 'numpy' has no attribute 'long'", "numpy"),
        ([LOADING], "ValueError: numpy.dtype size changed, may indicate binary incompatibility", "numpy"),
        ([LOADING], "RuntimeError: operator torchvision::nms does not exist", "torchvision"),
        ([], "PackageNotFoundError: No package metadata was found for torch", "torch"),
        ([INSTALLING, err("ERROR: No matching distribution found for speechkit==0.2.1")], PIP_EXIT, "speechkit"),
        ([INSTALLING, err("  ERROR: Failed building wheel for wordcut")], PIP_EXIT, "wordcut"),
        ([INSTALLING, err("ERROR: Cannot install numpy==1.26 and speechkit==0.2.1 because …")], PIP_EXIT, "numpy"),
        ([INSTALLING], PIP_EXIT, "speechkit"),
    ],
)  # fmt: skip
def test_packages_that_do_not_fit_mean_that_the_image_has_changed(
    before: list[tuple[str, str]], last: str, package: str
) -> None:
    """Before anything is spoken, what cannot be installed or imported is the image's doing, and is named."""
    found = diagnose(session(*before, failed(last)))
    assert found.image_changed
    assert found.package == package
    assert last[:40] in found.cause


@pytest.mark.parametrize(
    "parts",
    [
        [SYNTHESIZING, failed("ModuleNotFoundError: No module named 'speechkit'")],
        [LOADING, failed("RuntimeError: the session has no GPU")],
        [LOADING, failed("OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB")],
        [],
    ],
)
def test_other_failures_do_not_blame_the_image(parts: list[tuple[str, str]]) -> None:
    """Neither what happens while items are spoken, nor what has nothing to do with packages."""
    assert not diagnose(session(*parts)).image_changed


def test_a_session_without_internet_is_told_apart_from_a_changed_image() -> None:
    """pip fails in the same way, but the remedy is another one."""
    retrying = (
        "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError(…)': /simple/speechkit/"
    )
    missing = "ERROR: No matching distribution found for speechkit==0.2.1"
    found = diagnose(session(INSTALLING, err(retrying, missing), failed(PIP_EXIT)))
    assert not found.image_changed
    assert "phone number" in found.remedy


def test_a_changed_image_is_an_error_of_its_own_that_says_what_to_do() -> None:
    """Its detail names the package, the exception and the remedy, even where several callers read it."""
    found = diagnose(session(LOADING, failed("ModuleNotFoundError: No module named 'speechkit'")))
    error = failure(NotebookFailed("no result.json"), found, outcome="error", message="", quote=False)
    assert isinstance(error, ImageChanged)
    assert error.code == "image_changed"
    for word in ("image has changed", "speechkit", "ModuleNotFoundError", "Update Kavox"):
        assert word in error.detail


def test_a_cause_that_may_quote_a_text_is_not_told_to_everybody() -> None:
    """Once items are spoken, an error's message may hold a text: several callers get its name alone."""
    found = diagnose(session(SYNTHESIZING, failed("ValueError: cannot speak 'my secret diary'")))
    told = {
        quote: failure(NotebookFailed("no result"), found, outcome="error", message="", quote=quote).detail
        for quote in (True, False)
    }
    assert "diary" in told[True]
    assert "diary" not in told[False]
    assert "ValueError" in told[False]


def test_the_hosts_own_message_stands_in_for_a_log_that_says_nothing() -> None:
    """An empty log has no cause; what Kaggle says is then told, to those who may read it."""
    found = diagnose([])
    assert (found.phase_reached, found.cause) == (None, "")
    error = failure(NotebookFailed("no result"), found, outcome="error", message="Your notebook ran out", quote=True)
    assert "Your notebook ran out" in error.detail


records = st.lists(st.builds(LogRecord, st.sampled_from(["stdout", "stderr"]), st.just(1.0), st.text()))
scraps = st.sampled_from(
    [
        "Traceback (most recent call last):\n",
        "KeyError: 'x'\n",
        'Exception encountered at "In [1]":\n',
        "The above exception was the direct cause of the following exception:\n",
        "PapermillExecutionError:\n",
        *("\x1b[0;31m", "\n", "\r", "a\n"),
    ]
)
torn = st.lists(st.builds(LogRecord, st.sampled_from(["stdout", "stderr"]), st.just(1.0), scraps))


@given(records | torn)
def test_any_log_has_a_diagnosis(log: list[LogRecord]) -> None:
    """Whatever stands in a log, torn to pieces or hostile, it is read without an error, and the cause is short."""
    assert len(diagnose(log).cause) <= 500
