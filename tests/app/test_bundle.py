"""GET /jobs/{id}/bundle: a job as it can be handed to somebody else."""

import io
import json
import re
import zipfile
from typing import Any

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from redis import Redis

from app.shared import keys
from app.shared.audio_store import AudioStore
from app.shared.masking import HARMLESS, Mask, masked
from app.shared.run_log import LogLine, RunLog, log_name
from tests.app.conftest import Place
from tests.app.workshop import RUN, Workshop

TEXT = "Dear diary, nobody must ever read this. 42!"


def files(answer: httpx.Response) -> dict[str, str]:
    assert answer.status_code == 200, answer.text
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


@pytest.fixture
def job_id(api: httpx.Client, workshop: Workshop, place: Place) -> str:
    """A job that has failed, with a log that quotes its text."""
    request = {"text": TEXT, "metadata": {"user": "Ann"}, "webhook": "https://example.org/?token=sesame"}
    job: dict[str, Any] = api.post("/synthesize", json=request).json()
    lines = [
        LogLine(1.0, "stdout", "loading", (), common=True),
        LogLine(2.0, "stderr", f"ValueError: cannot speak {TEXT[:30]!r}...", [str(job["id"])]),
        LogLine(3.0, "stderr", "somebody else's diary", ["19abcdef0120123456780"]),
    ]
    run = RunLog(str(RUN["id"]), shared=True, complete=True, lines=lines)
    AudioStore.open(None, place.data_dir / "audio").put(log_name(run.run), run.to_bytes())
    workshop.start(job["id"])
    workshop.fail(job["id"])
    return str(job["id"])


def test_a_bundle_has_the_notebook_with_this_job_alone_its_log_and_its_times(api: httpx.Client, job_id: str) -> None:
    """What the notebook is told is in it once as data and once in the notebook, and the two agree."""
    answer = api.get(f"/jobs/{job_id}/bundle")
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["content-disposition"] == f'attachment; filename="kavox-{job_id}.zip"'
    found = files(answer)
    run = json.loads(found["run.json"])
    assert (run["run_id"], [item["id"] for item in run["items"]]) == (RUN["id"], [job_id])
    [parameters] = [
        cell for cell in json.loads(found["notebook.ipynb"])["cells"] if "RUN = json.loads" in cell["source"]
    ]
    told: dict[str, Any] = {}
    exec(parameters["source"], told)  # noqa: S102  # as the notebook does
    assert told["RUN"] == run
    assert json.loads(found["job.json"])["error"]["code"] == "audio_rejected"
    assert [one["what"] for one in json.loads(found["timeline.json"])][:1] == ["accepted"]
    assert "loading" in found["log.txt"]
    assert "somebody else" not in found["log.txt"]


def test_nothing_that_the_caller_wrote_and_no_secret_is_in_a_bundle(
    api: httpx.Client, job_id: str, place: Place
) -> None:
    """Neither in the notebook nor where the log quotes it; the text keeps its form."""
    found = files(api.get(f"/jobs/{job_id}/bundle"))
    everything = "\n".join(found.values())
    for secret in ("diary", "nobody", "Ann", "someone", "sesame", place.redis_url, str(place.data_dir)):
        assert secret not in everything, secret
    assert json.loads(found["run.json"])["items"][0]["chunks"] == ["Oooo ooooo, oooooo oooo oooo oooo oooo. 00!"]


@pytest.mark.parametrize(("carried", "seen"), [([], False), (["19abcdef0120123456780"], True)])
def test_of_the_callers_other_jobs_of_a_run_a_bundle_tells_nothing(
    api: httpx.Client, workshop: Workshop, place: Place, redis: Redis, carried: list[str], seen: bool
) -> None:
    """Their words are not masked, so their lines are left out; a run of one job alone has all of its log."""
    job_id = str(api.post("/synthesize", json={"text": TEXT}).json()["id"])
    lines = [
        LogLine(1.0, "stderr", "Traceback (most recent call last):"),
        LogLine(2.0, "stderr", f"cannot speak {TEXT}", [job_id]),
        *(LogLine(3.0, "stderr", "Dear Ben, your results", [other]) for other in carried),
    ]
    run = RunLog(str(RUN["id"]), shared=False, complete=True, lines=lines)
    AudioStore.open(None, place.data_dir / "audio").put(log_name(run.run), run.to_bytes())
    redis.hset(f"{keys.RUN}{run.run}", "jobs", json.dumps([job_id, *carried]))
    workshop.start(job_id)
    workshop.fail(job_id)
    log = files(api.get(f"/jobs/{job_id}/bundle"))["log.txt"]
    assert "cannot speak Oooo ooooo, oooooo" in log
    assert ("Traceback" in log, "Ben" in log) == (not seen, False)
    assert ("Ben" in files(api.get(f"/jobs/{job_id}/bundle?include_text=true"))["log.txt"]) == seen


def test_a_bundle_has_the_text_where_that_is_asked_for(api: httpx.Client, job_id: str) -> None:
    """It then says so in its README."""
    found = files(api.get(f"/jobs/{job_id}/bundle", params={"include_text": True}))
    assert json.loads(found["run.json"])["items"][0]["chunks"] == [TEXT]
    assert "ARE IN IT" in found["README.txt"]
    assert "diary" in found["log.txt"]


def test_a_job_that_has_not_ended_has_no_bundle_yet(api: httpx.Client) -> None:
    """The refusal says when to come back; of no job it is the usual 404."""
    job = api.post("/synthesize", json={"text": "Hello."}).json()
    answer = api.get(f"/jobs/{job['id']}/bundle")
    assert (answer.status_code, answer.json()["code"]) == (409, "bundle_not_ready")
    assert int(answer.headers["retry-after"]) >= 1
    assert api.get("/jobs/19abcdef0120123456780/bundle").json()["code"] == "job_not_found"


# No "_", which would make a word of what it stands beside.
SAID = st.text(st.characters(categories=["Pd", "Ps", "Pe", "Po", "Zs"]), max_size=20)


@given(st.text(min_size=1), SAID, SAID)
@example("a\nsecret line\n", "", "")
@example("秘密的文字在這裡", "\uff1a", "\u3002")
def test_what_quotes_a_text_is_masked_and_the_text_keeps_its_form(text: str, before: str, after: str) -> None:
    """As it is, or as a literal of Python or JSON; the spaces and the length stay."""
    assert [sign.isspace() for sign in masked(text)] == [sign.isspace() for sign in text]
    for line in filter(None, map(str.strip, text.splitlines())):
        for quoted in (line, json.dumps(line)[1:-1], repr(line)[1:-1]):
            shown = Mask([text])(before + quoted + after)
            assert len(shown) == len(before + quoted + after)
            for word in re.findall(r"\w+", shown):
                assert word == masked(word) or word.lower() in HARMLESS, (shown, word)


def test_every_word_of_a_text_is_masked_alone_too() -> None:
    """In any case, and numbers; what is only like one is left, and so is what says nothing."""
    mask = Mask(["Dear Anna Smith, your PIN is 4711.", "Hi"])
    assert mask("KeyError: '4711'; word 'SMITH' not in lexicon") == "KeyError: '0000'; word 'OOOOO' not in lexicon"
    assert mask("hi hijacked, the line is 12") == "oo hijacked, the line is 12"
