/** Recent jobs: the newest first, to be searched, opened and cancelled. */

import { Problem, contentOf, get, send } from "./api.js";
import { announce } from "./announce.js";
import { hostBadge, speakerOf, titleOf } from "./current_job.js";
import { byId, h, metaOf, showText } from "./dom.js";
import { counted, duration, since } from "./format.js";
import { doing, hasEnded, statusWord } from "./words.js";

const SHOWN = 12;
const PAGE = 100;
const MOST_SEARCHED = 1000;
// Every short word of figures and letters is in some id.
const SHORTEST_PART_OF_AN_ID = 6;

export class JobList {
  #list = byId("jobs");
  #search = byId("search");
  #status = byId("status");
  #older = byId("older");
  #open;
  #jobs = [];
  #listed = "";
  #cursor = null;
  #shown = SHOWN;
  #rows = new Map();
  #marked = null;
  // What could not be done, and the job that it was about; null where it was about the list.
  #refusal = { id: null, detail: "" };

  /** `open(id)` shows a job. */
  constructor(open) {
    this.#open = open;
    this.#search.addEventListener("input", () => this.#try(() => this.#searchOn()));
    this.#status.addEventListener("change", () => this.#try(() => this.refresh()));
    this.#older.addEventListener("click", () => this.#try(() => this.#showOlder()));
  }

  /** Whether any of them has not ended, but for the one that is followed. */
  isMoving(followed) {
    return this.#jobs.some(({ id, status }) => id !== followed && !hasEnded(status));
  }

  /** Reads the newest ones again. */
  async refresh() {
    const asked = this.#status.value;
    const page = await this.#read(null);
    if (asked !== this.#status.value) return;
    const before = page.next_cursor && asked === this.#listed ? this.#olderThan(page.jobs) : [];
    this.#listed = asked;
    this.#jobs = [...page.jobs, ...before];
    if (!before.length) this.#cursor = page.next_cursor;
    if (this.#refusal.id === null) this.#refuse("");
    this.#render();
  }

  /** What was read before and is older than this page: none where others may have come between. */
  #olderThan(page) {
    const known = new Set(page.map(({ id }) => id));
    if (!this.#jobs.some(({ id }) => known.has(id))) return [];
    // Ids are in the order of their making.
    const oldest = page.at(-1).id;
    return this.#jobs.filter(
      ({ id, status }) => !known.has(id) && id < oldest && (!this.#listed || status === this.#listed),
    );
  }

  /** Shows a job's newest state, without asking for it. */
  update(job) {
    const place = this.#jobs.findIndex(({ id }) => id === job.id);
    if (place >= 0) this.#jobs[place] = { ...this.#jobs[place], ...job };
    this.#render();
  }

  /** Marks the job that is shown. */
  mark(jobId) {
    this.#marked = jobId;
    this.#render();
  }

  async #read(cursor) {
    const limit = cursor === null && !this.#search.value ? 50 : PAGE;
    return get("jobs", { status: this.#status.value, cursor, limit });
  }

  async #searchOn() {
    this.#render();
    const wanted = this.#search.value;
    // The service finds jobs by their status alone: the page reads on and looks itself.
    while (wanted && wanted === this.#search.value && this.#cursor && this.#jobs.length < MOST_SEARCHED) {
      if (!(await this.#readOn())) return;
      this.#render();
    }
    announce(`${counted(this.#found().length, "job")} found.`);
  }

  async #showOlder() {
    this.#shown += SHOWN;
    if (this.#found().length < this.#shown && this.#cursor) await this.#readOn();
    this.#render();
  }

  /** Reads the next page; false where another list was asked for meanwhile. */
  async #readOn() {
    const [asked, cursor] = [this.#status.value, this.#cursor];
    const page = await this.#read(cursor);
    if (asked !== this.#status.value || cursor !== this.#cursor) return false;
    this.#jobs.push(...page.jobs);
    this.#cursor = page.next_cursor;
    return true;
  }

  #found() {
    const words = this.#search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const haystack = (job) =>
      [titleOf(job), speakerOf(job), job.status, job.run?.host, JSON.stringify(job.metadata)].join(" ").toLowerCase();
    const names = ({ id }, word) => word.length >= SHORTEST_PART_OF_AN_ID && id.includes(word);
    return this.#jobs.filter((job) => words.every((word) => names(job, word) || haystack(job).includes(word)));
  }

  #render() {
    const refused = this.#jobs.find(({ id }) => id === this.#refusal.id);
    if (refused && hasEnded(refused.status)) this.#refuse("");
    const found = this.#found();
    const rows = found.slice(0, this.#shown).map((job) => this.#row(job));
    // Rows that stay are left where they are, so that nobody loses their place.
    rows.forEach((row, place) => {
      if (this.#list.children[place] !== row) this.#list.insertBefore(row, this.#list.children[place] ?? null);
    });
    while (this.#list.children.length > rows.length) this.#list.lastElementChild.remove();
    this.#older.hidden = found.length <= this.#shown && !this.#cursor;
    const none =
      this.#search.value || this.#status.value ? "No job is like that." : "No jobs yet. What you send appears here.";
    showText(byId("no-jobs"), rows.length ? "" : none);
  }

  /** Does what somebody wants of the list, and says why it cannot be done. */
  async #try(action) {
    this.#refuse("");
    try {
      await action();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      this.#refuse(problem.detail);
    }
  }

  /** Says this in sight, until it is no longer true. */
  #refuse(detail, id = null) {
    this.#refusal = { id, detail };
    showText(byId("jobs-refusal"), detail);
  }

  #row(job) {
    const signature = JSON.stringify([
      job.status,
      job.phase,
      job.progress,
      job.run,
      job.cached,
      since(job.created_at),
      job.id === this.#marked,
    ]);
    const row = this.#rows.get(job.id) ?? h("li", { "data-job": job.id });
    this.#rows.set(job.id, row);
    if (row.dataset.signature === signature) return row;
    const focused = row.contains(document.activeElement) ? document.activeElement.className : null;
    row.dataset.signature = signature;
    row.dataset.status = job.status;
    row.classList.toggle("marked", job.id === this.#marked);
    row.replaceChildren(...this.#cells(job));
    if (focused) row.querySelector(`[class="${focused}"]`)?.focus();
    return row;
  }

  #cells(job) {
    const progress = job.progress > 0 && !hasEnded(job.status) ? `, ${Math.round(job.progress * 100)} %` : "";
    const state = hasEnded(job.status) ? statusWord(job.status) : doing(job) + progress;
    const length = job.audio ? duration(job.audio.duration_seconds) : counted(job.characters, "character");
    const open = h(
      "button",
      { type: "button", class: "open", dir: "auto", onclick: () => this.#open(job.id) },
      titleOf(job),
    );
    if (job.id === this.#marked) open.setAttribute("aria-current", "true");
    return [
      h("span", { class: "light", "aria-hidden": "true" }),
      h(
        "div",
        { class: "what" },
        open,
        metaOf(
          h("span", { class: "status", "data-status": job.status }, state),
          speakerOf(job),
          length,
          since(job.created_at),
          job.cached && "kept speech",
          hostBadge(job),
        ),
      ),
      hasEnded(job.status)
        ? null
        : h(
            "button",
            {
              type: "button",
              class: "cancel",
              "aria-label": `Cancel ${titleOf(job)}`,
              disabled: job.status === "canceling",
              onclick: () => this.#cancel(job),
            },
            "Cancel",
          ),
    ].filter(Boolean);
  }

  async #cancel(job) {
    this.#refuse("");
    try {
      this.update(await contentOf(await send("DELETE", `jobs/${job.id}`), "json"));
      announce("The job is cancelled.");
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      this.#refuse(`“${titleOf(job)}” is not cancelled: ${problem.detail}`, job.id);
    }
  }
}
