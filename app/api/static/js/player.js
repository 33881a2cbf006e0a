/** Plays a job's audio: a button, its waveform to seek in, and the time. */

import { Problem, send } from "./api.js";
import { h, s } from "./dom.js";
import { clock } from "./format.js";
import { Waveform } from "./waveform.js";

const PLAY = "M8 5.5v13l11-6.5z";
const PAUSE = "M7 5h4v14H7zM13 5h4v14h-4z";

let playing = null;

export class Player {
  #jobId;
  #audio = h("audio", { preload: "auto" });
  #icon = s("path", { d: PLAY });
  #button = h(
    "button",
    { type: "button", class: "play", "aria-label": "Play", disabled: true },
    s("svg", { viewBox: "0 0 24 24", "aria-hidden": "true" }, this.#icon),
  );
  #waveform = new Waveform();
  #seek = h("input", {
    type: "range",
    class: "seek",
    min: "0",
    max: "1",
    step: "0.01",
    value: "0",
    "aria-label": "Position",
    disabled: true,
  });
  #clock = h("span", { class: "clock" }, "0:00");
  #note = h("p", { class: "note bad", hidden: true });

  /** The player. */
  element = h(
    "div",
    { class: "player-box" },
    h(
      "div",
      { class: "player", role: "group", "aria-label": "Player" },
      this.#button,
      h("div", { class: "wave" }, this.#waveform.element, this.#seek),
      this.#clock,
      this.#audio,
    ),
    this.#note,
  );

  /** For the audio of this job. */
  constructor(jobId) {
    this.#jobId = jobId;
    this.#button.addEventListener("click", () => (this.#audio.paused ? this.#play() : this.#audio.pause()));
    this.#seek.addEventListener("input", () => {
      this.#audio.currentTime = this.#seek.valueAsNumber;
      this.#show();
    });
    for (const name of ["play", "pause", "ended"]) this.#audio.addEventListener(name, () => this.#follow());
    for (const name of ["timeupdate", "durationchange"]) this.#audio.addEventListener(name, () => this.#show());
    this.#audio.addEventListener("error", () => this.#fail("The browser cannot play this audio. Download it instead."));
  }

  /** Fetches the audio and draws it. The wav, whatever the job's format: every browser plays it, and it is there. */
  async load() {
    try {
      const answer = await send("GET", `jobs/${this.#jobId}/audio`, { query: { format: "wav" } });
      const file = await answer.blob();
      this.#audio.src = URL.createObjectURL(file);
      this.#button.disabled = this.#seek.disabled = false;
      await this.#waveform.draw(await file.arrayBuffer());
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      this.#fail(problem.detail);
    }
  }

  async #play() {
    if (playing !== this.#audio) playing?.pause();
    playing = this.#audio;
    await this.#audio.play().catch(() => this.#fail("The browser cannot play this audio. Download it instead."));
  }

  #follow() {
    const { paused } = this.#audio;
    this.#icon.setAttribute("d", paused ? PLAY : PAUSE);
    this.#button.setAttribute("aria-label", paused ? "Play" : "Pause");
    if (!paused) this.#glide();
    this.#show();
  }

  // `timeupdate` comes four times a second only.
  #glide() {
    this.#show();
    if (!this.#audio.paused && this.element.isConnected) requestAnimationFrame(() => this.#glide());
    else if (!this.element.isConnected) this.#leave();
  }

  #leave() {
    this.#audio.pause();
    URL.revokeObjectURL(this.#audio.src);
  }

  #show() {
    const { currentTime: now, duration } = this.#audio;
    if (!Number.isFinite(duration)) return;
    this.#seek.max = String(duration);
    this.#seek.step = String(Math.max(0.05, duration / 200));
    this.#seek.value = String(now);
    this.#seek.setAttribute("aria-valuetext", `${clock(now)} of ${clock(duration)}`);
    this.#clock.textContent = `${clock(now)} / ${clock(Math.round(duration))}`;
    this.#waveform.played(now / duration);
  }

  #fail(detail) {
    this.#note.textContent = detail;
    this.#note.hidden = false;
    this.#button.disabled = this.#seek.disabled = true;
  }
}
