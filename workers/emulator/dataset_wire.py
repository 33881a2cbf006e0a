"""The JSON that Kaggle answers with about datasets (kagglesdk `dataset_api_service.py`)."""

from collections.abc import Sequence
from typing import Any

from workers.emulator.clock import iso
from workers.emulator.dataset_store import Dataset, DatasetVersion
from workers.emulator.wire import KAGGLE_WEB


def accepted(owner: str, dataset: Dataset) -> dict[str, Any]:
    """The answer to a dataset or a version that is now processed."""
    ref = f"{owner}/{dataset.slug}"
    return {"ref": ref, "url": f"{KAGGLE_WEB}/datasets/{ref}", "status": "Ok", "error": "", "invalidTags": []}


def refused(error: str) -> dict[str, Any]:
    """The answer to a dataset that cannot be made: HTTP 200 all the same."""
    return {"ref": "", "url": "", "status": "Error", "error": error, "invalidTags": []}


def dataset(
    owner: str, dataset: Dataset, versions: Sequence[DatasetVersion], ready: DatasetVersion | None
) -> dict[str, Any]:
    """A dataset as GetDataset and ListDatasets show it; its current version is the newest that is READY."""
    ref = f"{owner}/{dataset.slug}"
    shown: dict[str, Any] = {
        "id": dataset.id,
        "ref": ref,
        "title": dataset.title,
        "subtitle": dataset.subtitle,
        "ownerName": owner,
        "ownerRef": owner,
        "creatorName": owner,
        "url": f"{KAGGLE_WEB}/datasets/{ref}",
        "licenseName": dataset.license,
        "isPrivate": dataset.private,
        "lastUpdated": iso(versions[-1].created_at),
        "totalBytes": sum(ready.files.values()) if ready else 0,
        "usabilityRating": 0.0,
        "versions": [
            {"versionNumber": version.number, "creationDate": iso(version.created_at), "versionNotes": version.notes}
            for version in versions
        ],
    }
    return shown | ({"currentVersionNumber": ready.number} if ready else {})


def file(owner: str, dataset: Dataset, version: DatasetVersion, name: str) -> dict[str, Any]:
    """A file as ListDatasetFiles shows it."""
    return {
        "ref": name,
        "name": name,
        "datasetRef": f"{owner}/{dataset.slug}",
        "ownerRef": owner,
        "creationDate": iso(version.created_at),
        "totalBytes": version.files[name],
    }
