/** Plays a job's audio: a button, its waveform to seek in, and the time. */

import { Problem, contentOf, send } from "./api.js";
import { h, s, showText } from "./dom.js";
import { clock, sentence } from "./format.js";
import { untilAnswered } from "./patience.js";
import { Waveform } from "./waveform.js";

const PLAY = "M8 5.5v13l11-6.5z";
const PAUSE = "M7 5h4v14H7zM13 5h4v14h-4z";
// A sound may be long: what breaks off again and again is not fetched for ever.
const LOAD_TRIES = 5;

let playing = null;

export class Player {
  #jobId;
  #signal;
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
  #note = h("p", { class: "note bad", role: "alert", hidden: true });

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

  /** For the audio of this job. Once `signal` is set it is silent, and keeps nothing of the sound. */
  constructor(jobId, signal) {
    this.#jobId = jobId;
    this.#signal = signal;
    signal.addEventListener("abort", () => this.#leave(), { once: true });
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
    const signal = this.#signal;
    const told = ({ detail }) => showText(this.#note, `${sentence(detail)} This page tries again by itself.`);
    try {
      const file = await untilAnswered(() => this.#fetch(), signal, { told, tries: LOAD_TRIES });
      signal.throwIfAborted();
      showText(this.#note, "");
      this.#audio.src = URL.createObjectURL(file);
      this.#button.disabled = this.#seek.disabled = false;
      await this.#waveform.draw(await file.arrayBuffer());
    } catch (problem) {
      if (signal.aborted) return;
      if (!(problem instanceof Problem)) throw problem;
      this.#fail(problem.detail);
    }
  }

  async #fetch() {
    const path = `jobs/${this.#jobId}/audio`;
    return contentOf(await send("GET", path, { query: { format: "wav" }, signal: this.#signal }), "blob");
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
    if (!this.#audio.paused) requestAnimationFrame(() => this.#glide());
  }

  #leave() {
    this.#audio.pause();
    URL.revokeObjectURL(this.#audio.src);
    if (playing === this.#audio) playing = null;
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
    showText(this.#note, detail);
    this.#button.disabled = this.#seek.disabled = true;
  }
}
