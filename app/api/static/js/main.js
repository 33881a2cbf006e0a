/** The page: its parts, and what each tells the others. */

import { Problem, get } from "./api.js";
import { showKept, showQuota, showSessions } from "./account.js";
import { readCatalog } from "./catalog.js";
import { CloneDialog } from "./clone.js";
import { Composer } from "./composer.js";
import { CurrentJob } from "./current_job.js";
import { byId, showText } from "./dom.js";
import { sentence } from "./format.js";
import { JobList } from "./job_list.js";
import { installKey } from "./key.js";
import { longest } from "./patience.js";
import { milliseconds } from "./pause.js";
import { showPlace } from "./place.js";
import { installTheme } from "./theme.js";
import { VoiceList } from "./voices.js";

// What is under way is looked at often, the rest now and then: other programs send jobs too. A key of sixty requests a
// minute has to do for it (docs/keys.md).
const OFTEN_SECONDS = 4;
const SELDOM_SECONDS = 12;

// When the page looks: the next beat, whether it looks right now, and whether it is to look once more.
let [timer, looking, wanted] = [null, false, false];
// In milliseconds: when everything is due, and until when the service wants to be left alone.
let [dueAt, restsUntil] = [0, 0];
// Whether the service was away at the last look, whether all it has is offered, and whether to ask all of it again.
let [away, offered, afresh] = [false, false, false];
// How often the quota is still asked for at every beat: a worker that has just started reads it in a few seconds.
let hopes = 10;
// The voice that was cloned just now, until it is offered.
let newVoice = null;
// The job that is followed, as it was told of last.
let last = null;

installTheme(byId("theme"));
installKey();

const jobs = new JobList((jobId) => follow(jobId, { reveal: true }));
const current = new CurrentJob((job) => {
  jobs.update(job);
  // Sessions and quota change with it.
  if (last?.id === job.id && last.status !== job.status) look();
  last = job;
});
const composer = new Composer((job) => {
  follow(job.id, { reveal: true });
  look();
});
const voices = new VoiceList((voice) => composer.speakWith(voice), offerAgain);
const cloning = new CloneDialog((voice) => {
  newVoice = voice;
  offerAgain();
});

/** Shows a job. Its address is the page's, so that a reload goes on with it. */
function follow(jobId, how) {
  if (location.hash !== `#job=${jobId}`) history.pushState(null, "", `#job=${jobId}`);
  jobs.mark(jobId);
  current.show(jobId, how);
}

/** Follows the job that the address names. */
function followAddress() {
  const [, jobId] = /^#job=([0-9a-z]+)$/.exec(location.hash) ?? [];
  if (jobId && jobId !== current.id) follow(jobId);
}

/** Reads what can be asked for. Throws the Problem that kept it from being known as a whole. */
async function offer() {
  const catalog = await readCatalog({ afresh });
  afresh = false;
  composer.offer(catalog);
  cloning.offer(catalog);
  voices.show(catalog);
  if (newVoice) composer.speakWith(newVoice);
  newVoice = null;
  if (catalog.unasked) throw catalog.unasked;
  offered = true;
}

/** Offers everything anew, with the next look, which is now. */
function offerAgain() {
  offered = false;
  look();
}

/** Reads how things stand, whatever changes seldom too where that is due. */
async function readAll() {
  const emulated = await showPlace();
  // A service that was away may offer something else now.
  if (away && emulated !== null) [offered, afresh] = [false, true];
  away = emulated === null;
  if (away) return;
  composer.nameKaggle(emulated ? "Kaggle, emulated" : "Kaggle");
  cloning.explain(emulated);
  const due = Date.now() >= dueAt;
  if (due) dueAt = Date.now() + SELDOM_SECONDS * 1000;
  const parts = [jobs.refresh()];
  if (due || hopes) parts.push(readQuota());
  if (due) parts.push(get("cache").then(showKept));
  if (!offered) parts.push(offer());
  const reasons = (await Promise.allSettled(parts)).map(({ reason }) => reason).filter(Boolean);
  for (const reason of reasons) if (!(reason instanceof Problem)) reportError(reason);
  rest(longest(reasons.filter((reason) => reason instanceof Problem)));
}

async function readQuota() {
  const quota = await get("quota");
  showQuota(quota);
  showSessions(quota.sessions);
  hopes = quota.gpu === null ? Math.max(0, hopes - 1) : 0;
}

/** Leaves the service alone for as long as it asks for. */
function rest(problem) {
  restsUntil = problem?.retryAfter ? Date.now() + milliseconds(problem.retryAfter) : 0;
  if (problem?.status === 429)
    showText(byId("trouble"), `${sentence(problem.detail)} This page goes on by itself then.`);
}

/** Looks at everything, now or as soon as the service wants it; whoever asks meanwhile is served by one more look. */
function look() {
  dueAt = 0;
  return beat();
}

async function beat() {
  clearTimeout(timer);
  wanted = true;
  if (looking) return;
  looking = true;
  try {
    while (wanted && Date.now() >= restsUntil) {
      wanted = false;
      if (!document.hidden) await readAll();
    }
  } finally {
    looking = false;
    // The job that is followed tells of itself.
    const soon = away || !offered || hopes || jobs.isMoving(current.id);
    timer = setTimeout(beat, Math.max((soon ? OFTEN_SECONDS : SELDOM_SECONDS) * 1000, restsUntil - Date.now()));
  }
}

addEventListener("popstate", followAddress);
for (const name of ["online", "offline"]) addEventListener(name, look);
document.addEventListener("visibilitychange", look);
followAddress();
look();
