/** Says what a request would cost, before it is made: a dry run a moment after the last change. */

import { Problem, contentOf, send } from "./api.js";
import { byId, h } from "./dom.js";
import { counted, duration } from "./format.js";
import { clearProblems, showProblem } from "./problems.js";

const PAUSE_MILLISECONDS = 350;

export class Estimate {
  #place = byId("estimate");
  #form = byId("composer");
  #timer = null;
  #asking = null;

  /** Asks about the request; null, or one without a text, is not worth asking about. */
  ask(request) {
    this.stop();
    if (!request?.text.trim()) {
      clearProblems(this.#form);
      this.#place.replaceChildren("Nothing is sent before you press Speak.");
      return;
    }
    this.#timer = setTimeout(() => this.#run(request), PAUSE_MILLISECONDS);
  }

  /** Says that the request is on its way. */
  sent() {
    this.#place.replaceChildren("Sent.");
  }

  /** Gives up a question that is not answered yet. */
  stop() {
    clearTimeout(this.#timer);
    this.#asking?.abort();
  }

  async #run(request) {
    this.#asking = new AbortController();
    const { signal } = this.#asking;
    try {
      const answer = await send("POST", "synthesize", { query: { dry_run: true }, json: request, signal });
      const estimate = await contentOf(answer, "json");
      clearProblems(this.#form);
      this.#show(estimate);
    } catch (problem) {
      if (!(problem instanceof Problem) || signal.aborted) return;
      const isAboutFields = problem.status === 422;
      this.#place.replaceChildren(isAboutFields ? "" : `No estimate: ${problem.detail}`);
      if (isAboutFields) showProblem(this.#form, problem, { focus: false });
    }
  }

  #show(estimate) {
    this.#place.replaceChildren(
      ...facts(estimate).map((fact) => h("span", { class: "fact" }, fact)),
      ...estimate.warnings.map((warning) => h("span", { class: "warning" }, warning)),
    );
  }
}

function facts({ cached, speech_seconds, chunks, gpu, gpu_seconds, gpu_seconds_from, eta_seconds, waiting }) {
  if (cached) return ["Kept from before: it is answered at once."];
  const usual = gpu_seconds_from === "assumption" ? ", by usual figures" : "";
  return [
    `About ${duration(speech_seconds)} of speech`,
    chunks > 1 ? counted(chunks, "piece") : null,
    gpu ? `${duration(gpu_seconds)} of GPU quota${usual}` : "no GPU quota",
    eta_seconds === null ? null : `done in about ${duration(Math.max(1, eta_seconds))}`,
    waiting?.detail ?? null,
  ].filter((fact) => fact !== null);
}
