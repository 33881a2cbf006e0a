"""Traps 1-7, 12-15, 23, 24, 27 and 28: what can be wrong with a push, and with the datasets that it names."""

import ast
import hashlib
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from kagglesdk.kernels.types.kernels_api_service import ApiCancelKernelSessionRequest
from pydantic import ValidationError
from requests import HTTPError

from app.shared.errors import HostUnreachable, InputsMissing, PushRefused, PushUncertain, QuotaExhausted, SessionsTaken
from app.shared.identifiers import new_id
from tests.hosts import host_at, make_push
from tests.workers.emulator.driver import KEY, OWNER, Emulator, wait_for
from workers.datasets import Dataset, DatasetState
from workers.kaggle import KaggleHost
from workers.kaggle_datasets import KaggleDatasets
from workers.kaggle_quota import read_gpu_quota
from workers.kernel import KernelState, Push
from workers.kernel_metadata import KernelMetadata
from workers.notebook import inject

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "voice.wav"
    path.write_bytes(b"RIFF of a voice")
    return path


def new_voice() -> str:
    return f"kavox-voice-{new_id()}"


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"kind": "refuse_gpu_sessions"}, SessionsTaken),
        ({"kind": "refuse_gpu_quota"}, QuotaExhausted),
        ({"kind": "pretend", "fields": {"error": "Phone verification is required."}}, PushRefused),
        ({"kind": "pretend", "fields": {"versionNumber": 0, "ref": "", "error": ""}}, PushUncertain),
    ],
)
def test_trap_01_a_refused_push_is_not_taken_for_an_accepted_one(
    emulator: Emulator, kaggle: KaggleHost, fault: dict[str, Any], error: type[Exception]
) -> None:
    """Refusals come with HTTP 200; what waiting cures is told from what it does not, and no reason at all is doubt."""
    emulator.fault(call="SaveKernel", **fault)
    with pytest.raises(error):
        kaggle.push(make_push(gpu=True))
    assert emulator.stats()["kernels"] == []


def test_trap_03_a_new_kernel_may_be_denied_for_a_while(emulator: Emulator, kaggle: KaggleHost) -> None:
    """Within the lag its status says nothing; it is found afterwards, in the list too where GetKernel denies it."""
    emulator.account(visibility_lag_seconds=600)
    emulator.script("RUNNING")
    push = make_push()
    kernel = kaggle.push(push)
    assert (kaggle.status(kernel).state, kaggle.find(push.slug)) == (KernelState.UNREADABLE, None)
    emulator.account(visibility_lag_seconds=0)
    found = kaggle.find(push.slug)
    assert found is not None
    assert (found.ref, kaggle.status(kernel).state) == (kernel.ref, KernelState.RUNNING)
    emulator.fault(call="GetKernel", kind="http_error", code=403, message="Permission 'kernels.get' was denied")
    listed = kaggle.find(push.slug)
    assert listed is not None
    assert listed.ref == kernel.ref


def test_trap_04_a_kernel_that_is_filed_elsewhere_is_deleted(emulator: Emulator, kaggle: KaggleHost) -> None:
    """A title that is the slug leads to that address; a push that ended up at another is undone, and refused."""
    emulator.script("RUNNING", times=None)
    push = make_push()
    assert kaggle.push(push).ref == f"{OWNER}/{push.slug}"
    with pytest.raises(PushRefused, match="as kavox-run-7 instead of Kavox--Run-7; it was deleted"):
        kaggle.push(make_push(slug="Kavox--Run-7"))
    assert [kernel["slug"] for kernel in emulator.stats()["kernels"]] == [push.slug]
    with pytest.raises(PushUncertain, match="already in use by a notebook"):
        kaggle.push(make_push(slug=push.slug.replace("-", "--")))


def test_trap_05_a_session_is_stopped_by_deleting_its_kernel(emulator: Emulator, kaggle: KaggleHost) -> None:
    """No session can be cancelled; after the deletion nothing of the quota is held any more."""
    emulator.script("RUNNING")
    push = make_push(gpu=True)
    kaggle.push(push)
    wait_for(lambda: read_gpu_quota(kaggle.client).reserved_seconds > 0)
    request = ApiCancelKernelSessionRequest()
    request.kernel_session_id = 1
    with pytest.raises(HTTPError) as caught:
        emulator.client().cancel_kernel_session(request)
    assert caught.value.response.status_code == 403
    kaggle.delete(push.slug)
    assert read_gpu_quota(kaggle.client).reserved_seconds == 0


def test_trap_06_an_old_version_runs_on_beside_the_new_one(emulator: Emulator, kaggle: KaggleHost) -> None:
    """Both versions hold a session, and deleting the kernel ends both."""
    emulator.script("RUNNING", times=None)
    push = make_push(gpu=True)
    versions = [kaggle.push(push) for _ in range(2)]
    assert [kaggle.status(kernel).state for kernel in versions] == [KernelState.RUNNING] * 2
    with pytest.raises(SessionsTaken):
        kaggle.push(make_push(gpu=True))
    kaggle.delete(push.slug)
    assert kaggle.push(make_push(gpu=True)).version == 1


@pytest.mark.parametrize(
    ("fault", "accepted"),
    [
        ({"kind": "lost_response"}, True),
        ({"kind": "delay", "seconds": 2}, True),
        ({"kind": "cut"}, True),
        ({"kind": "alter", "fields": {"invalidTags": None}}, True),
        ({"kind": "timeout_before", "seconds": 0.1}, False),
        ({"kind": "timeout_before", "seconds": 2}, False),
        ({"kind": "http_503_html"}, False),
        ({"kind": "http_500_json"}, False),
        ({"kind": "html_200"}, False),
    ],
)
def test_trap_07_a_push_without_a_clear_answer_is_looked_for(
    emulator: Emulator, hasty: KaggleHost, fault: dict[str, Any], accepted: bool
) -> None:
    """Whether it was accepted cannot be told from the answer, only by looking for the kernel."""
    emulator.script("RUNNING")
    emulator.fault(call="SaveKernel", **fault)
    push = make_push()
    with pytest.raises(PushUncertain):
        hasty.push(push)
    assert (host_at(emulator.url).find(push.slug) is not None) is accepted


def test_trap_12_a_kernel_without_its_inputs_is_known_at_once(emulator: Emulator, kaggle: KaggleHost) -> None:
    """Kaggle accepts the push and would run the notebook without the recording: it is named, and can be deleted."""
    emulator.script("RUNNING")
    push = make_push(datasets=(f"{OWNER}/never-uploaded",))
    with pytest.raises(InputsMissing) as caught:
        kaggle.push(push)
    assert caught.value.inputs == [f"{OWNER}/never-uploaded"]
    assert kaggle.find(push.slug) is not None
    kaggle.delete(push.slug)
    assert emulator.stats()["kernels"] == []


def test_trap_13_a_dataset_is_waited_for_until_it_is_ready(
    emulator: Emulator, kaggle: KaggleHost, datasets: KaggleDatasets, recording: Path
) -> None:
    """While it is processed it is said to be, a push that names it comes to nothing, and a failure is told."""
    emulator.script("RUNNING", times=None)
    emulator.account(dataset_seconds=2)
    slug = new_voice()
    datasets.create(slug, recording)
    push = make_push(datasets=(datasets.ref(slug),))
    assert datasets.state(slug) is DatasetState.PROCESSING
    with pytest.raises(PushUncertain):
        kaggle.push(push)
    assert kaggle.find(push.slug) is None
    wait_for(lambda: datasets.state(slug) is DatasetState.READY)
    assert kaggle.push(push).version == 1
    emulator.account(dataset_seconds=0)
    emulator.fault(call="CreateDataset", kind="fail_processing")
    failed = new_voice()
    datasets.create(failed, recording)
    assert datasets.state(failed) is DatasetState.FAILED


@pytest.mark.parametrize("mount", ["datasets", "flat"])
@pytest.mark.parametrize("provider", ["qwen", "chatterbox"])
def test_trap_14_a_recording_is_found_wherever_it_is_mounted(
    emulator: Emulator, kaggle: KaggleHost, datasets: KaggleDatasets, recording: Path, mount: str, provider: str
) -> None:
    """The notebooks search all inputs for the file's name and sum, so that Kaggle may mount them as it likes."""
    emulator.script("RUNNING")
    emulator.account(mount=mount)
    slug = new_voice()
    datasets.create(slug, recording)
    kaggle.push(make_push(datasets=(datasets.ref(slug),)))
    inputs = max(emulator.data_dir.glob("sessions/*/input"), key=lambda path: int(path.parent.name))
    wanted = {"file": "voice.wav", "sha256": hashlib.sha256(recording.read_bytes()).hexdigest()}
    found = [path for path in inputs.rglob("voice.wav") if path.parent.name == slug]
    assert [path.relative_to(inputs).parts[:-2] for path in found] == [
        ("datasets", OWNER) if mount == "datasets" else ()
    ]
    assert search_of(provider, inputs)(wanted) == found[0]


def search_of(provider: str, inputs: Path) -> Any:
    """The loop of the provider's own notebook that looks for a recording; what it does with it is left out."""
    cells = nbformat.read(NOTEBOOKS / f"{provider}.ipynb", as_version=4).cells
    source = next(cell.source for cell in cells if "def recording(" in cell.source)
    function = next(node for node in ast.parse(source).body if getattr(node, "name", "") == "recording")
    for node in ast.walk(function):
        if isinstance(node, ast.If):
            node.body = [ast.parse("def f(): return path").body[0].body[0]]  # type: ignore[attr-defined]
    names: dict[str, Any] = {"INPUT": inputs}
    exec("import hashlib, os\nfrom pathlib import Path\n" + ast.unparse(function), names)  # noqa: S102 our own notebook
    return names["recording"]


@pytest.mark.parametrize(
    ("fault", "made"),
    [
        ({"call": "StartBlobUpload", "kind": "http_503_html"}, False),
        ({"call": "StartBlobUpload", "kind": "lost_response"}, False),
        ({"call": "StartBlobUpload", "kind": "alter", "fields": {"token": ""}}, False),
        ({"call": "StartBlobUpload", "kind": "alter", "fields": {"createUrl": None}}, False),
        ({"call": "Upload", "kind": "expired_url"}, False),
        ({"call": "Upload", "kind": "http_500_json"}, False),
        ({"call": "CreateDataset", "kind": "http_429"}, False),
        ({"call": "CreateDataset", "kind": "http_503_html"}, False),
        ({"call": "CreateDataset", "kind": "lost_response"}, True),
    ],
)
def test_trap_15_no_dataset_is_made_without_its_file(
    emulator: Emulator, datasets: KaggleDatasets, recording: Path, fault: dict[str, Any], made: bool
) -> None:
    """An upload that goes wrong can be made again, and after a lost answer the dataset that was made is found."""
    slug = new_voice()
    emulator.fault(**fault)
    with pytest.raises(HostUnreachable):
        datasets.create(slug, recording)
    assert (datasets.state(slug) is DatasetState.READY) is made
    datasets.create(slug, recording)
    assert datasets.find(slug) == Dataset(private=True, version=1, files={"voice.wav": 15})


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_trap_23_what_is_pushed_is_a_notebook_that_papermill_runs(
    emulator: Emulator, kaggle: KaggleHost, path: Path
) -> None:
    """It names its kernel, its sources are strings, its cells have plain ids, and nbformat finds nothing wrong."""
    emulator.script("RUNNING")
    push = make_push()
    source = inject(path, {"run_id": "1", "items": [{"id": "1", "chunks": ["Он сказал: «#VSC-1»"]}]})
    kaggle.push(Push(push.slug, source, gpu=False, machine_shape=None, timeout_seconds=60))
    pushed: Any = nbformat.reads(emulator.get(push.slug).blob.source, as_version=4)
    nbformat.validate(pushed)
    assert pushed.metadata.kernelspec.name == "python3"
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]+", cell.id) and isinstance(cell.source, str) for cell in pushed.cells)


def test_trap_24_a_gpu_is_asked_for_by_name(emulator: Emulator, kaggle: KaggleHost) -> None:
    """A GPU push names the T4, because Kaggle's own choice may be a P100; one without a GPU names nothing."""
    emulator.script("RUNNING", times=None)
    for gpu, shape in ((True, "NvidiaTeslaT4"), (False, "")):
        push = make_push(gpu=gpu)
        kaggle.push(push)
        metadata = emulator.get(push.slug).metadata
        assert (metadata.enable_gpu, metadata.machine_shape or "") == (gpu, shape)


def test_trap_27_every_push_is_private_and_holds_no_secret(emulator: Emulator, kaggle: KaggleHost) -> None:
    """Privacy is asked for in each version, seen when it is not kept, and no setting can turn it off."""
    emulator.script("RUNNING", times=None)
    push = make_push()
    for _ in range(2):
        kernel = kaggle.find(kaggle.push(push).slug)
        assert kernel is not None
        assert kernel.private is True
    assert KEY not in emulator.get(push.slug).blob.source
    emulator.fault(call="GetKernel", kind="alter", fields={"metadata": {"isPrivate": False}})
    opened = kaggle.find(push.slug)
    assert opened is not None
    assert opened.private is False
    with pytest.raises(ValidationError):
        KernelMetadata.model_validate(
            {"language": "python", "kernel_type": "notebook", "is_private": False, "enable_internet": True}
        )


def test_trap_28_a_source_of_a_megabyte_is_refused_for_good(kaggle: KaggleHost) -> None:
    """Kaggle takes less than that, and waiting does not help."""
    with pytest.raises(PushRefused, match="1 megabytes"):
        kaggle.push(make_push("#" * 1_000_000))
