"""Why a notebook failed, read from its kernel's log: Kaggle's own message is mostly empty.

The log of a failed session holds the traceback as papermill tells it, below "Exception encountered at", and after it
whatever there was to say about saving the notebook: the last words are seldom the cause.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from app.shared.errors import ImageChanged, NotebookFailed
from app.shared.job import Phase
from workers.kernel import LogRecord
from workers.kernel_log import MARKER, progress_in
from workers.log_lines import readable, redacted
from workers.tracebacks import chains

_LONGEST_CAUSE = 500
_ENCOUNTERED = "Exception encountered at"
_LIKELY = re.compile(r"[\w.]*(?:Error|Exception|Interrupt)(?::|$)")
_CHATTER = re.compile(r"\[Nb\w+App\]|\d+(?:\.\d+)?%\||Executing: |-{3,}$")
_ASSERTION = re.compile(r"Assertion `(.+)` failed")

_PIP_ERROR = re.compile(r"\s*ERROR: (.+)")
_REQUIREMENT = re.compile(
    r"(?:requirement|found for|Cannot install|wheel for) ([A-Za-z0-9][A-Za-z0-9._-]*)|'([A-Za-z0-9][\w.-]*)=="
)
_OFFLINE = re.compile(
    r"name resolution|NameResolutionError|NewConnectionError|Network is unreachable|ConnectTimeout|ReadTimeout"
    r"|Max retries exceeded|ProxyError|couldn't connect to"
)
# What Python says when packages do not fit together or are missing; a group is the package that it names.
_MISFITS = tuple(
    re.compile(pattern)
    for pattern in (
        r"ModuleNotFoundError: No module named '(\w+)",
        r"ImportError: cannot import name '[^']*' from '(\w+)",
        r"(?:ImportError|OSError): .*?([\w-]+\.so[.\d]*)?: (?:undefined symbol|cannot open shared object)",
        r"ImportError: (?:.*?([A-Za-z][\w.-]*)[<>=~!]=)?",
        r"PackageNotFoundError: (?:No package metadata was found for )?([\w.-]+)",
        r"AttributeError: (?:partially initialized )?module '(\w+)[\w.]*' has no attribute",
        r"(?:ValueError|RuntimeError): .*?(numpy)\S* size changed",
        r"RuntimeError: operator (\w+)::\w+ does not exist",
    )
)


@dataclass(frozen=True)
class Diagnosis:
    """What a log tells of a failure.

    `phase_reached` is the last phase that the notebook has named, None when it named none. `image_changed`: packages
    could not be installed or imported, and `package` is the one that was named. `remedy` is what a person can do, ''
    where that is not known.
    """

    phase_reached: str | None
    cause: str
    image_changed: bool = False
    package: str | None = None
    remedy: str = ""

    @property
    def reached_items(self) -> bool:
        """Whether the notebook came so far that an item may be to blame, and a text be quoted."""
        return self.phase_reached not in {None, Phase.INSTALLING, Phase.LOADING}


def diagnose(records: Iterable[LogRecord]) -> Diagnosis:
    """What became of the session whose log this is."""
    records = list(records)
    told = [progress for record in records for progress in progress_in(record)]
    phase = max(told, key=lambda progress: progress.seq).phase if told else None
    lines = [line for line in readable(records) if not line.text.startswith(MARKER)]
    # A stream at a time, because two that were written at once are mixed. Tracebacks are mostly on stderr.
    texts = [line.text for name in ("stdout", "stderr") for line in lines if line.stream == name]
    found = Diagnosis(phase, _cause(texts)[:_LONGEST_CAUSE])
    return found if found.reached_items else _before_items(found, texts)


def failure(error: NotebookFailed, found: Diagnosis, *, outcome: str, message: str, quote: bool) -> NotebookFailed:
    """The error with its cause and what to do. `message` is the host's own, for a log that says nothing.

    Without `quote` a cause is told by its name alone unless it is certain that no item had a part in it: it may hold a
    text, and not all who read the error are that text's owners.
    """
    cause = found.cause or redacted(message[:_LONGEST_CAUSE])
    harmless = found.image_changed or (found.cause and found.phase_reached in {Phase.INSTALLING, Phase.LOADING})
    if not quote and not harmless:
        cause = cause.partition(":")[0]
    if found.image_changed:
        which = f"the package {found.package}" if found.package else "a package"
        return ImageChanged(
            f"Kaggle's image has changed: {which} cannot be installed or imported ({cause}). {found.remedy}"
        )
    detail = f"{error.detail}; the kernel ended as {outcome}" + (f": {cause}" if cause else "")
    return NotebookFailed(f"{detail}. {found.remedy}" if found.remedy else detail)


def _before_items(found: Diagnosis, texts: Sequence[str]) -> Diagnosis:
    """Nothing was spoken yet: packages do not fit, or there is no internet, or it is something else."""
    misfit = next((match for pattern in _MISFITS if (match := pattern.search(found.cause))), None)
    if misfit is None and any(_OFFLINE.search(text) for text in texts):
        remedy = (
            "The session could not fetch what it needs. Kaggle gives internet only to accounts whose phone number is "
            "verified: see to that, or send the job again later."
        )
        return replace(found, remedy=remedy)
    refused = found.phase_reached == Phase.INSTALLING and "CalledProcessError" in found.cause
    if misfit is None and not refused:
        return found
    pip = [match[1] for text in texts if (match := _PIP_ERROR.match(text))] if refused else []
    return replace(
        found,
        cause="; ".join([*pip[:1], found.cause])[:_LONGEST_CAUSE],
        image_changed=True,
        package=misfit[1] if misfit else _required([*pip, found.cause]),
        remedy="Update Kavox, or pin versions that fit in the install cell of the provider's notebook.",
    )


def _required(texts: Sequence[str]) -> str | None:
    """The package of a requirement that pip could not meet."""
    matches = (match for text in texts for match in _REQUIREMENT.finditer(text))
    return next((match[1] or match[2] for match in matches), None)


def _cause(texts: Sequence[str]) -> str:
    """The exception that ended the notebook and the one that it came of, or the last words; '' for an empty log."""
    begin = next((number for number, text in enumerate(texts) if text.startswith(_ENCOUNTERED)), None)
    # Below papermill's own words the first exception is the notebook's; without them the last one is.
    choice = -1 if begin is None else 0
    ending = texts[begin or 0 :]
    if found := chains(ending):
        *inner, outer = found[choice]
        return _with_hint(f"{outer} (from {inner[0]})" if inner else outer, texts)
    spoken = [text.strip() for text in ending if not _CHATTER.match(text.strip())]
    likely = [text for text in spoken if _LIKELY.match(text)]
    return _with_hint(likely[choice] if likely else (spoken or [""])[-1], texts)


def _with_hint(cause: str, texts: Sequence[str]) -> str:
    """What the exception itself leaves out."""
    if "DeadKernelError" in cause:
        return f"the process that executed the notebook died, most likely for want of memory ({cause})"
    if "device-side assert" in cause:
        failed = next((match[1] for text in texts if (match := _ASSERTION.search(text))), None)
        return f"{cause} ({failed})" if failed else cause
    return cause
