/** The audio as a file in each format. Fetched and not linked to, because no address may carry a key. */

import { Problem, contentOf, send } from "./api.js";
import { announce } from "./announce.js";
import { h } from "./dom.js";
import { pause } from "./pause.js";

const FORMATS = ["wav", "flac", "mp3", "opus", "pcm"];
const NOTES = {
  wav: "as it was spoken",
  flac: "smaller, nothing lost",
  mp3: "plays everywhere",
  opus: "smallest",
  pcm: "raw samples, 24 kHz",
};
const CONVERSION_TRIES = 20;

/** A button a format; the one that the job names comes first. What is not saved when `signal` is set is given up. */
export function downloadButtons(job, signal) {
  const formats = [...FORMATS].sort((one, other) => (other === job.format) - (one === job.format));
  const status = h("span", { class: "error", role: "status" });
  const buttons = formats.map((format) => {
    const button = h(
      "button",
      { type: "button", class: "download", title: NOTES[format], "aria-label": `Download as ${format}` },
      format.toUpperCase(),
    );
    button.addEventListener("click", () => download(job.id, format, button, status, signal));
    return button;
  });
  return h(
    "div",
    { class: "downloads", role: "group", "aria-label": "Download" },
    h("span", { class: "hint" }, "Download"),
    buttons,
    status,
  );
}

/** Saves the job's audio in this format. */
async function download(jobId, format, button, status, signal) {
  if (button.getAttribute("aria-busy")) return;
  button.setAttribute("aria-busy", "true");
  status.textContent = "";
  try {
    const url = URL.createObjectURL(await contentOf(await converted(jobId, format, signal), "blob"));
    h("a", { href: url, download: `${jobId}.${format}` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
    announce(`${format} is saved.`);
  } catch (problem) {
    if (signal.aborted) return;
    if (!(problem instanceof Problem)) throw problem;
    status.textContent = problem.detail;
  } finally {
    button.removeAttribute("aria-busy");
  }
}

async function converted(jobId, format, signal) {
  for (let tries = 1; ; tries += 1) {
    try {
      return await send("GET", `jobs/${jobId}/audio`, { query: { format, download: true }, signal });
    } catch (problem) {
      if (problem.code !== "conversion_pending" || tries === CONVERSION_TRIES) throw problem;
      await pause(problem.retryAfter ?? 1, signal);
    }
  }
}
