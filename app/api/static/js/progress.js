/** The way of a job as a picture: its stations, a bar and when it will be done. */

import { h } from "./dom.js";
import { clock, duration } from "./format.js";
import { STATIONS, doing } from "./words.js";

// An estimate may be wrong by so much before the page says so.
const OVERDUE_SECONDS = 10;

export class Progress {
  #stations = STATIONS.map(({ name }) =>
    h("li", {}, h("span", { class: "knob", "aria-hidden": "true" }), h("span", {}, name)),
  );
  #phase = h("strong", { class: "phase" });
  #bar = h("progress", { max: "1", "aria-label": "Progress" });
  #left = h("span", { class: "left" });
  #elapsed = h("span", { class: "elapsed" });
  #job = null;
  #shownAt = 0;
  #timer = setInterval(() => this.#tick(), 500);

  /** The picture. */
  element = h(
    "div",
    { class: "progress" },
    h("ol", { class: "stations", "aria-label": "Phases" }, this.#stations),
    h("p", { class: "now" }, this.#phase, this.#left),
    this.#bar,
    this.#elapsed,
  );

  /** Shows this state. */
  show(job) {
    this.#job = job;
    this.#shownAt = Date.now();
    const here = STATIONS.findIndex(({ phases }) => phases.includes(job.phase));
    this.#stations.forEach((station, place) => {
      station.dataset.state = place < here ? "done" : place === here ? "now" : "to-come";
      if (place === here) station.setAttribute("aria-current", "step");
      else station.removeAttribute("aria-current");
    });
    const ahead = job.status === "queued" && job.position ? `, ${job.position} ahead` : "";
    this.#phase.textContent = doing(job) + ahead + (job.progress > 0 ? `, ${Math.round(job.progress * 100)} %` : "");
    if (job.progress > 0) this.#bar.value = job.progress;
    else this.#bar.removeAttribute("value");
    this.#tick();
  }

  /** Stops its clock. */
  stop() {
    clearInterval(this.#timer);
  }

  #tick() {
    if (!this.#job) return;
    const { eta_seconds: eta, created_at } = this.#job;
    const left = eta === null ? null : eta - (Date.now() - this.#shownAt) / 1000;
    this.#left.textContent =
      left === null
        ? "no estimate before a first run has ended"
        : left > 1
          ? `about ${duration(Math.ceil(left))} left`
          : left > -OVERDUE_SECONDS
            ? "any moment"
            : "longer than usual";
    this.#elapsed.textContent = `${clock((Date.now() - Date.parse(created_at)) / 1000)} since it was sent`;
  }
}
