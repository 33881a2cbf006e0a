/** The page: its parts, and what each tells the others. */

import { Problem, get } from "./api.js";
import { showKept, showQuota, showSessions } from "./account.js";
import { readCatalog } from "./catalog.js";
import { CloneDialog } from "./clone.js";
import { Composer } from "./composer.js";
import { CurrentJob } from "./current_job.js";
import { byId } from "./dom.js";
import { JobList } from "./job_list.js";
import { installKey } from "./key.js";
import { showPlace } from "./place.js";
import { installTheme } from "./theme.js";
import { VoiceList } from "./voices.js";
import { hasEnded } from "./words.js";

// What is under way is looked at often, the rest now and then: other programs send jobs too.
const OFTEN_SECONDS = 2;
const SELDOM_SECONDS = 10;

let timer = null;
let looking = false;
let wanted = false;
let away = false;

installTheme(byId("theme"));
installKey();

const jobs = new JobList((jobId) => follow(jobId, { reveal: true }));
const current = new CurrentJob((job) => {
  jobs.update(job);
  if (hasEnded(job.status)) look();
});
const composer = new Composer((job) => {
  follow(job.id, { reveal: true });
  look();
});
const voices = new VoiceList(
  (voice) => composer.speakWith(voice),
  () => offer(),
);
const cloning = new CloneDialog(async (voice) => {
  await offer();
  composer.speakWith(voice);
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

/** Reads what can be asked for. */
async function offer() {
  const catalog = await readCatalog();
  composer.offer(catalog);
  cloning.offer(catalog);
  voices.show(catalog);
}

/** Reads how things stand; answers whether everything is known. */
async function readAll() {
  const emulated = await showPlace();
  const returned = away && emulated !== null;
  away = emulated === null;
  if (away) return false;
  composer.nameKaggle(emulated ? "Kaggle, emulated" : "Kaggle");
  cloning.explain(emulated);
  let known = false;
  const parts = [
    get("quota").then((quota) => {
      showQuota(quota);
      showSessions(quota.sessions);
      known = quota.gpu !== null;
    }),
    get("cache").then(showKept),
    jobs.refresh(),
    // A service that was away may offer something else now.
    byId("provider").options.length && !returned ? null : offer(),
  ];
  for (const { reason } of await Promise.allSettled(parts)) {
    if (reason && !(reason instanceof Problem)) reportError(reason);
  }
  return known;
}

/** Looks now, and again and again; whoever asks meanwhile is served by one more look. */
async function look() {
  clearTimeout(timer);
  wanted = true;
  if (looking) return;
  looking = true;
  let known = true;
  while (wanted) {
    wanted = false;
    if (!document.hidden) known = await readAll();
  }
  looking = false;
  timer = setTimeout(look, (jobs.moving || !known ? OFTEN_SECONDS : SELDOM_SECONDS) * 1000);
}

addEventListener("popstate", followAddress);
for (const name of ["online", "offline"]) addEventListener(name, look);
document.addEventListener("visibilitychange", look);
followAddress();
look();
