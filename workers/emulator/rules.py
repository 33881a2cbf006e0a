"""Kaggle's rules for a push, in Kaggle's own words where users have reported them."""

import json
import re
import unicodedata
from typing import Any

from workers.emulator.wire import ApiError

MIN_TITLE_CHARACTERS = 5
"""kaggle_api_extended.py refuses a shorter title before it is sent."""

MAX_SOURCE_BYTES = 1_000_000
"""The source must be smaller than this (JovianHQ/kernel-run#2); whether a megabyte is 10**6 or 2**20 is not known."""

MAX_GPU_SESSIONS = 2
"""Open batch sessions with a GPU per account; it was 4 in 2019 (cli#185)."""

MAX_CPU_SESSIONS = 5
"""Open batch sessions without a GPU per account."""

WEEKLY_GPU_SECONDS = 30 * 3600
"""GPU seconds of wall clock per account and week."""

MIN_DATASET_NAME, MAX_DATASET_NAME = 6, 50
"""Characters of a dataset's slug and of its title (kaggle_api_extended.py, `dataset_create_new`)."""

MIN_SUBTITLE, MAX_SUBTITLE = 20, 80
"""Characters of a dataset's subtitle, where it has one (the same)."""

TITLE_TAKEN = "The requested title is already in use by a notebook. Please choose another title."
TITLE_SHORT = "Title must be at least five characters"
SOURCE_TOO_LARGE = "The kernel source must be less than 1 megabytes in size."
GPU_SESSIONS_TAKEN = f"Maximum batch GPU session count of {MAX_GPU_SESSIONS} reached."
CPU_SESSIONS_TAKEN = f"Maximum batch CPU session count of {MAX_CPU_SESSIONS} reached."
GPU_QUOTA_USED = f"Maximum weekly GPU quota of {WEEKLY_GPU_SECONDS / 3600:.2f} hours reached."
DATASET_TITLE_TAKEN = 'The requested title "{title}" is already in use by a dataset. Please choose another title.'
DATASET_NAME_LENGTH = f"The dataset {{what}} must be between {MIN_DATASET_NAME} and {MAX_DATASET_NAME} characters"


def slugify(title: str) -> str:
    """The address that a title gets: ASCII letters and digits in lower case, everything else one dash."""
    ascii_title = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", ascii_title).strip("-")


def check_title(title: str) -> None:
    if len(title) < MIN_TITLE_CHARACTERS or len(slugify(title)) < MIN_TITLE_CHARACTERS:
        raise ApiError(400, TITLE_SHORT)


def check_kind(push: dict[str, Any]) -> None:
    """Only what the emulator can run: Python notebooks that are run when they are saved."""
    if push.get("language") != "python" or push.get("kernelType") != "notebook":
        raise ApiError(501, "The emulator runs Python notebooks only.")
    if push.get("kernelExecutionType", "SAVE_AND_RUN_ALL") != "SAVE_AND_RUN_ALL":
        raise ApiError(501, "The emulator runs every version that it saves.")


def check_source(source: str) -> None:
    """A notebook below 1 MB whose cells' sources are strings; a list is Kaggle's internal error (cli#574).

    A missing kernelspec passes: it fails when the notebook is run, as on Kaggle (cli#689).
    """
    try:
        if len(source.encode()) >= MAX_SOURCE_BYTES:
            raise ApiError(400, SOURCE_TOO_LARGE, legacy=True)
        sources = [cell.get("source") for cell in json.loads(source)["cells"]]
    except (ValueError, TypeError, KeyError, AttributeError):
        raise ApiError(400, "The kernel source is not a notebook.") from None
    if not all(isinstance(source, str) for source in sources):
        raise ApiError(500, "Internal error encountered.")
