/** What came of a job: its player, its files and what was checked. */

import { Problem, contentOf, send } from "./api.js";
import { h } from "./dom.js";
import { downloadButtons } from "./downloads.js";
import { bytes, duration } from "./format.js";
import { Player } from "./player.js";
import { hostWords } from "./words.js";

/** The elements that show it, until `signal` says that they are gone. */
export function resultOf(job, signal) {
  const player = new Player(job.id, signal);
  player.load();
  return [player.element, downloadButtons(job, signal), factsOf(job), job.run ? logOf(job) : null].filter(Boolean);
}

function factsOf(job) {
  const { audio, run, cached, gpu_seconds: gpu } = job;
  const facts = [
    ["Length", duration(audio.duration_seconds)],
    ["Delivered as", `${audio.format}, ${audio.sample_rate / 1000} kHz, ${bytes(audio.bytes)}`],
    ["Spoken", run ? hostWords(run.host).note.replace("Spoken ", "") : "unknown"],
    ["Engine", run?.engine],
    ["Kernel", kernelOf(run)],
    ["GPU quota", gpu ? duration(gpu) : "none"],
    ["Kept speech", cached ? "answered with speech made before" : null],
    ["Checked", checkedOf(audio.checks)],
  ].filter(([, value]) => value);
  return h(
    "dl",
    { class: "facts" },
    facts.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))),
  );
}

function kernelOf(run) {
  if (!run?.url?.startsWith("https://")) return run?.kernel;
  return h("a", { href: run.url, target: "_blank", rel: "noreferrer" }, run.kernel ?? run.url);
}

function checkedOf({ passed, silent_share: silent, clipped_share: clipped }) {
  const percent = (share) => `${Math.round(100 * (share ?? 0))} %`;
  return passed ? `passed: ${percent(silent)} silence, ${percent(clipped)} clipped` : null;
}

function logOf(job) {
  const log = h("pre", { class: "log", tabindex: "0", "aria-label": "Log of the run" });
  const details = h("details", {}, h("summary", {}, "Log of the run"), log);
  details.addEventListener("toggle", async () => {
    if (!details.open || log.textContent) return;
    try {
      const answer = await send("GET", `jobs/${job.id}/logs`, { headers: { Accept: "text/plain" } });
      log.textContent = (await contentOf(answer, "text")) || "The notebook printed nothing.";
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      log.textContent = problem.detail;
    }
  });
  return details;
}
