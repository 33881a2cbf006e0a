/** A sound as a picture: how loud it is from moment to moment. */

import { h, s } from "./dom.js";

const BARS = 120;
const HEIGHT = 100;
const QUIETEST = 4;
// Enough to see loudness, and a long text takes little memory; every browser decodes to it.
const SAMPLE_RATE = 8000;

export class Waveform {
  #rest = s("path", { class: "rest" });
  #done = s("path", { class: "done" });
  #cover = picture(this.#done);

  /** The picture. */
  element = h("div", { class: "bars", "aria-hidden": "true" }, picture(this.#rest), this.#cover);

  constructor() {
    this.#draw(new Array(BARS).fill(0));
    this.played(0);
  }

  /** Draws the sound of this file, a quiet line where it cannot be decoded. */
  async draw(file) {
    try {
      const sound = await new OfflineAudioContext(1, 1, SAMPLE_RATE).decodeAudioData(file);
      this.#draw(loudness(sound.getChannelData(0)));
    } catch {
      this.#draw(new Array(BARS).fill(0));
    }
  }

  /** Shows which part was played, from 0 to 1. */
  played(part) {
    this.#cover.style.clipPath = `inset(0 ${100 - Math.min(1, part) * 100}% 0 0)`;
  }

  #draw(levels) {
    const bar = (level, place) => {
      const height = Math.max(QUIETEST, level * HEIGHT);
      return `M${place + 0.2} ${((HEIGHT - height) / 2).toFixed(1)}h.6v${height.toFixed(1)}h-.6z`;
    };
    const path = levels.map(bar).join("");
    for (const part of [this.#rest, this.#done]) part.setAttribute("d", path);
  }
}

const picture = (path) => s("svg", { viewBox: `0 0 ${BARS} ${HEIGHT}`, preserveAspectRatio: "none" }, path);

/** The loudness of each bar's stretch, 1 for the loudest. */
function loudness(samples) {
  const stretch = Math.max(1, Math.floor(samples.length / BARS));
  const levels = Array.from({ length: BARS }, (_, place) => {
    const part = samples.subarray(place * stretch, (place + 1) * stretch);
    return Math.sqrt(part.reduce((sum, sample) => sum + sample * sample, 0) / (part.length || 1));
  });
  const most = Math.max(...levels);
  return most > 0 ? levels.map((level) => level / most) : levels;
}
