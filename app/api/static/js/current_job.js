/** One job, followed live: how far it is, and when it is done what came of it. */

import { Problem, get, send } from "./api.js";
import { announce } from "./announce.js";
import { nameOfVoice } from "./catalog.js";
import { byId, h, metaOf, prose, showText } from "./dom.js";
import { changes } from "./follow.js";
import { duration, sentence } from "./format.js";
import { isPassing, untilAnswered } from "./patience.js";
import { Progress } from "./progress.js";
import { resultOf } from "./result.js";
import { doing, hasEnded, hostWords, statusWord } from "./words.js";

export class CurrentJob {
  #place = byId("current");
  #changed;
  #leaving = null;
  #id = null;

  /** `changed(job)` is called when the job that is shown has come to another state. */
  constructor(changed) {
    this.#changed = changed;
  }

  /** The id of the job that is shown. */
  get id() {
    return this.#id;
  }

  /** Shows the job and follows it until it has ended, or another one is shown; `reveal` brings it into sight. */
  async show(jobId, { reveal = false } = {}) {
    this.#leaving?.abort();
    const { signal } = (this.#leaving = new AbortController());
    this.#id = jobId;
    try {
      const told = ({ detail }) => this.#excuse(`${sentence(detail)} This page looks again by itself.`);
      const job = await untilAnswered(() => get(`jobs/${jobId}`, {}, signal), signal, { told });
      this.#place.hidden = false;
      const end = hasEnded(job.status) ? this.#finish(job, signal) : this.#follow(job, signal);
      if (reveal) this.#place.scrollIntoView({ block: "nearest" });
      await end;
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof Problem)) throw error;
      this.#excuse(error.detail);
    }
  }

  /** Says why there is nothing to show. */
  #excuse(detail) {
    this.#place.hidden = false;
    this.#place.replaceChildren(...headOf("This job", null), h("p", { class: "note bad" }, detail));
  }

  async #follow(first, signal) {
    let job = first;
    const refusal = h("p", { class: "note bad", role: "alert", hidden: true });
    const cancel = h("button", { type: "button", onclick: () => this.#cancel(job.id, refusal) }, "Cancel");
    const [waiting, warnings] = [h("p", { class: "note" }), h("div", {})];
    const progress = new Progress();
    const [head, about] = headOf(job, cancel);
    this.#place.replaceChildren(head, about, refusal, progress.element, waiting, warnings);
    let said = "";
    const show = (state) => {
      job = { ...job, ...state };
      progress.show(job);
      about.replaceChildren(...metaOf(...aboutOf(job)).children);
      showText(waiting, job.waiting ? job.waiting.detail : "");
      warnings.replaceChildren(...warningsOf(job));
      cancel.disabled = job.status === "canceling";
      if (said !== doing(job)) announce((said = doing(job)));
      this.#changed(job);
    };
    show(first);
    try {
      for await (const state of changes(job.id, signal)) {
        // Events do not repeat where it runs.
        const known = job.run || state.status !== "running";
        show(known ? state : { ...(await this.#glance(job.id, signal)), ...state });
      }
    } finally {
      progress.stop();
    }
    this.#finish(await untilAnswered(() => get(`jobs/${job.id}`, {}, signal), signal), signal);
  }

  /** The job, or nothing where that cannot be said now: the next event brings the next chance. */
  async #glance(jobId, signal) {
    try {
      return await get(`jobs/${jobId}`, {}, signal);
    } catch (error) {
      if (!isPassing(error)) throw error;
      return {};
    }
  }

  #finish(job, signal) {
    const details = job.status === "succeeded" ? resultOf(job, signal) : [failureOf(job)];
    this.#place.replaceChildren(...headOf(job, null), ...warningsOf(job), ...details);
    announce(
      job.status === "succeeded"
        ? `Done: ${duration(job.audio.duration_seconds)} of speech.`
        : `${statusWord(job.status)}. ${job.error?.detail ?? ""}`,
    );
    this.#changed(job);
  }

  async #cancel(jobId, refusal) {
    showText(refusal, "");
    try {
      await send("DELETE", `jobs/${jobId}`);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      showText(refusal, problem.detail);
    }
  }
}

/** The job's title: the beginning of its text where this page sent it. */
export function titleOf({ id, metadata }) {
  return typeof metadata?.title === "string" && metadata.title ? metadata.title : `Job ${id}`;
}

/** Where it ran or runs, as a badge; null before it has a run. */
export function hostBadge({ run }) {
  if (!run) return null;
  const { label, note, kind } = hostWords(run.host);
  return h("span", { class: "badge", "data-kind": kind, title: note }, label);
}

/** Who speaks, in a line. */
export const speakerOf = ({ provider, model, voice, language }) =>
  [...new Set([provider, model, voice && nameOfVoice(voice), language])].filter(Boolean).join(" · ");

function headOf(job, action) {
  const title = typeof job === "string" ? job : titleOf(job);
  const about = typeof job === "string" ? [] : aboutOf(job);
  return [
    h("div", { class: "card-head" }, h("h2", { id: "current-title", dir: "auto" }, title), action),
    metaOf(...about),
  ];
}

const aboutOf = (job) => [
  h("span", { class: "status", "data-status": job.status }, statusWord(job.status)),
  speakerOf(job),
  hostBadge(job),
];

const warningsOf = ({ warnings }) => warnings.map((warning) => h("p", { class: "note warn" }, warning));

function failureOf({ status, error }) {
  if (!error)
    return h("p", { class: "note" }, status === "canceled" ? "It was cancelled, so there is no audio." : "It ended.");
  return h(
    "div",
    { class: "note bad" },
    h("p", {}, prose(error.detail)),
    h("p", { class: "hint" }, h("code", {}, error.code), error.retryable ? " The same request may succeed later." : ""),
  );
}
