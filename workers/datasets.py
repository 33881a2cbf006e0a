"""What a run needs of a place that keeps files for notebooks: the DatasetHost protocol.

`workers/kaggle_datasets.py` implements it for Kaggle and its emulator; the local host needs none, it copies files.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Protocol


class DatasetState(Enum):
    """Where a dataset's newest version stands."""

    ABSENT = "absent"  # every look denies it; a new one may stay unseen for a moment
    PROCESSING = "processing"  # not to be used yet
    READY = "ready"  # a notebook can have it
    FAILED = "failed"  # the host could not take it in, and never will


@dataclass(frozen=True)
class Dataset:
    """A dataset as its host describes it: `version` is the newest that is ready, `files` their sizes by name."""

    private: bool
    version: int
    files: Mapping[str, int]


class DatasetHost(Protocol):
    """A place that keeps datasets. Errors are those of `app.shared.errors`; every call may be repeated."""

    def slug(self, voice_id: str) -> str:
        """The name of a voice's dataset here."""

    def slugs(self) -> set[str]:
        """The names of all datasets here that can be this installation's voices. Raises HostUnreachable."""

    def ref(self, slug: str) -> str:
        """How a push names the dataset."""

    def create(self, slug: str, file: Path) -> None:
        """Uploads the file into a private dataset of its own; one that is there already is left as it is.

        Raises ReferenceRefused when it will never be taken, CredentialsRejected, or HostUnreachable, after which the
        dataset may or may not exist.
        """

    def state(self, slug: str) -> DatasetState:
        """Raises HostUnreachable."""

    def find(self, slug: str) -> Dataset | None:
        """The dataset, None when it is denied or has no version that is ready. Raises HostUnreachable."""

    def delete(self, slug: str) -> None:
        """Removes the dataset; done when it is not there. Raises HostUnreachable."""
