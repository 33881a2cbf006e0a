"""DatasetHost over kagglesdk: one file in a private dataset.

Kaggle's own client uploads with a blob left out when it did not arrive, and takes any error for "there is no such
dataset"; so the blob API is called here, and every answer of it asserted.
"""

import time
from pathlib import Path

import requests
from kagglesdk.blobs.services.blob_api_service import BlobApiClient
from kagglesdk.blobs.types.blob_api_service import ApiBlobType, ApiStartBlobUploadRequest
from kagglesdk.datasets.services.dataset_api_service import DatasetApiClient
from kagglesdk.datasets.types.dataset_api_service import (
    ApiCreateDatasetRequest,
    ApiDatasetNewFile,
    ApiDeleteDatasetRequest,
    ApiGetDatasetRequest,
    ApiGetDatasetStatusRequest,
    ApiListDatasetFilesRequest,
    ApiListDatasetsRequest,
)
from kagglesdk.datasets.types.dataset_enums import DatabundleVersionStatus, DatasetSelectionGroup

from app.shared.errors import HostUnreachable, ReferenceRefused
from app.shared.voice import dataset_slug
from workers.datasets import Dataset, DatasetState
from workers.kaggle_client import KaggleClient
from workers.kaggle_errors import UNREADABLE, dataset_error, read_error, status_code

LICENSE = "other"
"""Kaggle wants exactly one; this one grants nothing."""

_STATES = {
    DatabundleVersionStatus.READY: DatasetState.READY,
    DatabundleVersionStatus.FAILED: DatasetState.FAILED,
    DatabundleVersionStatus.DELETED: DatasetState.ABSENT,
}


class KaggleDatasets:
    """The account's datasets on Kaggle, or on the emulator; the names of this installation's begin with `prefix`."""

    def __init__(self, client: KaggleClient, prefix: str = "kavox") -> None:
        self._client = client
        self._prefix = prefix

    def slug(self, voice_id: str) -> str:
        return dataset_slug(voice_id, self._prefix)

    def slugs(self) -> set[str]:
        found: set[str] = set()
        page_token, seen = "", set[str]()
        while page_token not in seen:
            seen.add(page_token)
            request = ApiListDatasetsRequest()
            request.group = DatasetSelectionGroup.DATASET_SELECTION_GROUP_MY
            request.search = self._prefix.replace("-", " ")
            if page_token:
                request.page_token = page_token
            try:
                page = self._datasets.list_datasets(request)
            except UNREADABLE as error:
                raise read_error(error) from None
            found |= {(dataset.ref or "").rpartition("/")[2] for dataset in page.datasets or []}
            page_token = page.next_page_token or ""
        return {slug for slug in found if slug.startswith(f"{self._prefix}-")}

    def ref(self, slug: str) -> str:
        return f"{self._client.account()}/{slug}"

    def create(self, slug: str, file: Path) -> None:
        request = ApiCreateDatasetRequest()
        request.owner_slug, request.slug = self._client.account(), slug
        # Kaggle files a dataset under its title's slug, so the title must turn into this very slug.
        request.title = slug.replace("-", " ")
        request.license_name = LICENSE
        # Left out, it would be public.
        request.is_private = True
        blob = ApiDatasetNewFile()
        blob.token = self._upload(file)
        request.files = [blob]
        try:
            response = self._datasets.create_dataset(request)
        except UNREADABLE as error:
            raise dataset_error(error) from None
        error_text = response.error or ""
        if "already in use" in error_text.lower():
            # By another worker, or by this one when an answer was lost.
            return
        if error_text or (response.status or "").lower() != "ok":
            raise ReferenceRefused(f"Kaggle does not take the recording: {error_text or 'it gives no reason'}")

    def state(self, slug: str) -> DatasetState:
        request = ApiGetDatasetStatusRequest()
        request.owner_slug, request.dataset_slug = self._client.account(), slug
        try:
            status = self._datasets.get_dataset_status(request).status
        except UNREADABLE as error:
            # Kaggle denies a dataset that is new, of somebody else or not there with the same 403.
            if status_code(error) in {403, 404}:
                return DatasetState.ABSENT
            raise read_error(error) from None
        return _STATES.get(status, DatasetState.PROCESSING)

    def find(self, slug: str) -> Dataset | None:
        request = ApiGetDatasetRequest()
        request.owner_slug, request.dataset_slug = self._client.account(), slug
        listing = ApiListDatasetFilesRequest()
        listing.owner_slug, listing.dataset_slug = self._client.account(), slug
        try:
            found = self._datasets.get_dataset(request)
            files = self._datasets.list_dataset_files(listing).dataset_files or []
        except UNREADABLE as error:
            if status_code(error) in {403, 404}:
                return None
            raise read_error(error) from None
        if not found.current_version_number:
            return None
        sizes = {file.name or "": file.total_bytes for file in files}
        return Dataset(private=found.is_private, version=found.current_version_number, files=sizes)

    def delete(self, slug: str) -> None:
        request = ApiDeleteDatasetRequest()
        request.owner_slug, request.dataset_slug = self._client.account(), slug
        try:
            response = self._datasets.delete_dataset(request)
        except UNREADABLE as error:
            # 403 is the answer for a dataset that is not there, and also where deleting is denied.
            gone = status_code(error) == 404
            if gone or (status_code(error) == 403 and self.state(slug) is DatasetState.ABSENT):
                return
            raise read_error(error) from None
        if response.error:
            raise HostUnreachable(f"Kaggle did not delete the dataset {slug}: {response.error}")

    def check_uploads(self) -> None:
        """Asks for an address to upload a byte to, and uploads nothing: no dataset comes of it.

        Raises CredentialsRejected or ReferenceRefused when the account may not upload, else HostUnreachable.
        """
        self._start_upload("probe", 1)

    def _upload(self, file: Path) -> str:
        """The token of the file's blob, once all of it has arrived."""
        token, url = self._start_upload(file.name, file.stat().st_size)
        try:
            with file.open("rb") as content:
                # The storage knows the address, not the account.
                answer = requests.put(url, data=content, timeout=self._client.timeout)
        except UNREADABLE as error:
            raise dataset_error(error) from None
        if answer.status_code not in {200, 201}:
            raise HostUnreachable(f"the upload of the recording was answered with {answer.status_code}")
        return token

    def _start_upload(self, name: str, size: int) -> tuple[str, str]:
        """The token of a blob of so many bytes, and the address where they are to be put."""
        request = ApiStartBlobUploadRequest()
        request.type, request.name, request.content_length = ApiBlobType.DATASET, name, size
        request.last_modified_epoch_seconds = int(time.time())
        try:
            started = BlobApiClient(self._client.http).start_blob_upload(request)
        except UNREADABLE as error:
            raise dataset_error(error) from None
        if not started.token or not started.create_url:
            raise HostUnreachable("Kaggle gave no address to upload the recording to")
        return str(started.token), str(started.create_url)

    @property
    def _datasets(self) -> DatasetApiClient:
        return DatasetApiClient(self._client.http)
