"""The calls of Kaggle's DatasetApiService: each takes a request's JSON and gives the response's or raises ApiError.

    CreateDataset ─► BLOBS_RECEIVED ─► READY (or FAILED, if a scripted fault said so)

What the service refuses of a new dataset comes with HTTP 200 and `error`, as a refused push does. The files of version
3 of dataset 7 lie in `7/3/` below the service's folder.
"""

import re
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from workers.emulator import dataset_wire, rules
from workers.emulator.auth import Account
from workers.emulator.blobs import Blobs
from workers.emulator.dataset_store import Dataset, DatasetStore, DatasetVersion
from workers.emulator.elsewhere import AccountState
from workers.emulator.outputs import DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE, page_of
from workers.emulator.wire import ApiError, not_found, permission_denied

_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
DEFAULT_LISTED_DATASETS = 20


class DatasetsService:
    """One account's datasets; its state says how long a new version is processed, and where it is mounted."""

    def __init__(
        self, store: DatasetStore, blobs: Blobs, folder: Path, account: Account, account_state: AccountState
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._folder = folder
        self._account = account
        self._account_state = account_state

    def method(self, name: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
        """The implementation of a method that changes no files. Raises 404 for one that is not emulated."""
        methods = {
            "GetDataset": self.get_dataset,
            "GetDatasetStatus": self.dataset_status,
            "ListDatasetFiles": self.list_files,
            "ListDatasets": self.list_datasets,
            "DeleteDataset": self.delete_dataset,
        }
        if name not in methods:
            raise not_found()
        return methods[name]

    def create(self, request: dict[str, Any], *, failing: bool = False) -> dict[str, Any]:
        """CreateDataset; `failing`: a scripted fault wants the processing to fail."""
        owner, slug, title = (request.get(field) or "" for field in ("ownerSlug", "slug", "title"))
        if owner != self._account.username:
            raise permission_denied("datasets.create")
        known = self._store.dataset(slug)
        taken = known is not None and known.deleted_at is None
        if refusal := _refusal(request, title, slug, taken=taken):
            return dataset_wire.refused(refusal)
        blobs = self._check_files(request)
        with self._store.transaction():
            dataset = self._store.add_dataset(
                slug=slug,
                title=title,
                subtitle=request.get("subtitle") or "",
                license=request["licenseName"],
                # A request that says nothing about privacy makes a public dataset.
                private=bool(request.get("isPrivate")),
                created_at=time.time(),
            )
            self._add_version(dataset, 1, "Initial release", blobs, failing=failing)
        return dataset_wire.accepted(owner, dataset)

    def create_version(self, request: dict[str, Any], *, failing: bool = False) -> dict[str, Any]:
        """CreateDatasetVersion: its files take the place of the last version's."""
        dataset = self._find(request)
        body = request.get("body") or {}
        blobs = self._check_files(body)
        before = self._store.versions(dataset)
        with self._store.transaction():
            self._add_version(dataset, before[-1].number + 1, body.get("versionNotes") or "", blobs, failing=failing)
        for version in before if body.get("deleteOldVersions") else ():
            self._store.delete_version(version)
            shutil.rmtree(self._files(version), ignore_errors=True)
        return dataset_wire.accepted(self._account.username, dataset)

    def get_dataset(self, request: dict[str, Any]) -> dict[str, Any]:
        return self._view(self._find(request))

    def dataset_status(self, request: dict[str, Any]) -> dict[str, Any]:
        """The state of the newest version."""
        return {"status": self._store.versions(self._find(request))[-1].status(time.time())}

    def list_files(self, request: dict[str, Any]) -> dict[str, Any]:
        """A page of the files of one version, of the newest READY one unless the request says which."""
        dataset = self._find(request)
        wanted = request.get("datasetVersionNumber")
        found = [version for version in self._store.versions(dataset) if version.number == wanted]
        version = found[0] if found else self._ready(dataset) if not wanted else None
        if version is None:
            raise not_found()
        size = min(request.get("pageSize") or DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)
        names, token = page_of(sorted(version.files), size, request.get("pageToken") or "")
        files = [dataset_wire.file(self._account.username, dataset, version, name) for name in names]
        return {"datasetFiles": files, "errorMessage": "", "nextPageToken": token}

    def list_datasets(self, request: dict[str, Any]) -> dict[str, Any]:
        """The account's datasets, the newest first: all for its own groups or its name, else the public ones."""
        group, search = request.get("group") or "", (request.get("search") or "").lower()
        mine = group.startswith("DATASET_SELECTION_GROUP_MY") or request.get("user") == self._account.username
        found = [
            self._view(dataset)
            for dataset in self._store.datasets()
            if (mine or not dataset.private) and (search in dataset.title.lower() or search in dataset.slug)
        ]
        size = min(request.get("pageSize") or DEFAULT_LISTED_DATASETS, MAX_PAGE_SIZE)
        listed, token = page_of(found, size, request.get("pageToken") or "", request.get("page") or 1)
        return {"datasets": listed, "nextPageToken": token}

    def delete_dataset(self, request: dict[str, Any]) -> dict[str, Any]:
        """Deletes a dataset with its files; sessions that have it among their inputs keep them."""
        dataset = self._find(request)
        self._store.delete_dataset(dataset, time.time())
        shutil.rmtree(self._folder / str(dataset.id), ignore_errors=True)
        return {}

    def resolve(self, sources: list[str]) -> tuple[Mapping[str, Path], list[str]]:
        """The folders of the datasets that a push names, by their place, and the names of those that there are not.

        Raises 409 for one that is still being processed, as users report.
        """
        folders: dict[str, Path] = {}
        unknown = []
        for source in sources:
            owner, _, slug = source.partition("/")
            dataset = self._store.dataset(slug) if owner == self._account.username else None
            if dataset is None or dataset.deleted_at is not None:
                unknown.append(source)
                continue
            version = self._ready(dataset)
            if version is None:
                raise ApiError(409, f"The dataset {source} is not ready yet.")
            place = f"datasets/{source}" if self._account_state.now().mount == "datasets" else slug
            folders[place] = self._files(version)
        return folders, unknown

    def _check_files(self, request: dict[str, Any]) -> list[str]:
        """The tokens of a request's files. Raises 400 unless all have arrived, and under names of their own."""
        if request.get("directories"):
            raise ApiError(501, "The emulator takes plain files only.")
        tokens = [file.get("token") or "" for file in request.get("files") or []]
        names = {self._blobs.complete(token)[0].name for token in tokens}
        if not tokens or len(names) != len(tokens):
            raise ApiError(400, "A dataset needs files, each under a name of its own.")
        return tokens

    def _add_version(self, dataset: Dataset, number: int, notes: str, tokens: list[str], *, failing: bool) -> None:
        now = time.time()
        taken = [self._blobs.complete(token) for token in tokens]
        files = {blob.name: blob.size for blob, _ in taken}
        ready_at = now + self._account_state.now().dataset_seconds
        version = DatasetVersion(dataset.id, number, notes, files, now, ready_at, failing)
        folder = self._files(version)
        folder.mkdir(parents=True, exist_ok=True)
        for blob, path in taken:
            path.replace(folder / blob.name)
            # Inputs are read-only on Kaggle.
            (folder / blob.name).chmod(0o444)
        self._store.add_version(version)
        for blob, _ in taken:
            self._blobs.forget(blob)

    def _find(self, request: dict[str, Any]) -> Dataset:
        """A dataset that is not there looks like one of somebody else's; a deleted one is not found."""
        owner, slug = request.get("ownerSlug"), request.get("datasetSlug") or ""
        dataset = self._store.dataset(slug) if owner == self._account.username else None
        if dataset is None:
            raise permission_denied("datasets.get")
        if dataset.deleted_at is not None:
            raise not_found()
        return dataset

    def _view(self, dataset: Dataset) -> dict[str, Any]:
        return dataset_wire.dataset(
            self._account.username, dataset, self._store.versions(dataset), self._ready(dataset)
        )

    def _ready(self, dataset: Dataset) -> DatasetVersion | None:
        now = time.time()
        ready = [version for version in self._store.versions(dataset) if version.status(now) == "READY"]
        return ready[-1] if ready else None

    def _files(self, version: DatasetVersion) -> Path:
        return self._folder / str(version.dataset_id) / str(version.number)


def _refusal(request: dict[str, Any], title: str, slug: str, *, taken: bool) -> str:
    """Why a new dataset cannot be made, '' when it can."""
    if taken:
        return rules.DATASET_TITLE_TAKEN.format(title=title)
    for what, text in (("slug", slug), ("title", title)):
        if not rules.MIN_DATASET_NAME <= len(text) <= rules.MAX_DATASET_NAME:
            return rules.DATASET_NAME_LENGTH.format(what=what)
    if not _SLUG.fullmatch(slug):
        return "The dataset slug may only have lower-case letters, digits and dashes"
    subtitle = request.get("subtitle") or ""
    if subtitle and not rules.MIN_SUBTITLE <= len(subtitle) <= rules.MAX_SUBTITLE:
        return "Subtitle length must be between 20 and 80 characters"
    return "" if request.get("licenseName") else "Please specify exactly one license"
