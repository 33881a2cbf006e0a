/** The caller's cloned voices: to speak with, and to delete. */

import { Problem, send } from "./api.js";
import { announce } from "./announce.js";
import { ownVoices } from "./catalog.js";
import { confirmDeletion } from "./confirm.js";
import { byId, h, metaOf, showText } from "./dom.js";
import { duration } from "./format.js";

export class VoiceList {
  #use;
  #removed;

  /** `use(voice)` speaks with a voice, `removed()` is called when one is gone. */
  constructor(use, removed) {
    this.#use = use;
    this.#removed = removed;
  }

  /** Shows the caller's own voices. */
  show(catalog) {
    const own = ownVoices(catalog);
    byId("voices").replaceChildren(...own.map((voice) => this.#row(voice)));
    byId("no-voices").hidden = own.length > 0;
  }

  #row(voice) {
    const { title, provider, recording } = voice;
    return h(
      "li",
      {},
      h("div", {}, h("strong", { dir: "auto", title }, title), metaOf(provider, duration(recording.seconds))),
      h("button", { type: "button", "aria-label": `Use ${title}`, onclick: () => this.#use(voice) }, "Use"),
      h(
        "button",
        { type: "button", class: "quiet", "aria-label": `Delete ${title}`, onclick: () => this.#remove(voice) },
        "Delete",
      ),
    );
  }

  async #remove({ id, title }) {
    const text = "The recording goes at once, its copy on Kaggle soon after. Jobs that still wait for this voice fail.";
    if (!(await confirmDeletion(`Delete ${title}?`, text))) return;
    const refusal = byId("voices-refusal");
    showText(refusal, "");
    try {
      await send("DELETE", `voices/${id}`);
      announce(`${title} is deleted.`);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      showText(refusal, `“${title}” is not deleted: ${problem.detail}`);
    }
    this.#removed();
  }
}
