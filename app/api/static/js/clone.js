/** The dialog that makes a voice of a recording. */

import { Problem, contentOf, send } from "./api.js";
import { announce } from "./announce.js";
import { placesOf } from "./catalog.js";
import { byId, fillSelect, prose } from "./dom.js";
import { clearProblems, showFieldProblem, showProblem } from "./problems.js";

export class CloneDialog {
  #dialog = byId("clone-dialog");
  #form = byId("clone-form");
  #submit = this.#form.querySelector("[type=submit]");
  #unavailable = new Map();
  #cloned;

  /** `cloned(voice)` is called with a voice that was made. */
  constructor(cloned) {
    this.#cloned = cloned;
    byId("clone").addEventListener("click", () => this.#open());
    this.#form.querySelector("[data-close]").addEventListener("click", () => this.#dialog.close());
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
    byId("voice-provider").addEventListener("change", () => this.#warn());
    byId("recording").addEventListener("change", ({ target }) => {
      byId("voice-name").value ||= (target.files[0]?.name ?? "").replace(/\.[^.]*$/, "").slice(0, 64);
    });
  }

  /** Offers the providers that can clone; without any there is nothing to open. */
  offer({ providers, unavailable }) {
    const cloning = providers.filter(({ models }) => models.some(({ clones }) => clones));
    const here = (one) => placesOf(one).some((place) => !unavailable.has(`${one.name}:${place}`));
    this.#unavailable = new Map(
      cloning.filter((one) => !here(one)).map((one) => [one.name, unavailable.get(`${one.name}:${placesOf(one)[0]}`)]),
    );
    fillSelect(
      byId("voice-provider"),
      cloning
        .sort((one, other) => here(other) - here(one))
        .map((one) => [one.name, one.title + (here(one) ? "" : " (not here)")]),
    );
    byId("clone").hidden = !cloning.length;
    this.#warn();
  }

  /** Says what becomes of a recording here. */
  explain(emulated) {
    byId("consent-place").textContent = emulated ? "Kaggle is emulated here: the recording stays on this machine." : "";
  }

  /** Says so where nobody will hear the voice. */
  #warn() {
    const detail = this.#unavailable.get(byId("voice-provider").value);
    byId("clone-warning").replaceChildren(
      ...(detail ? ["The voice would be kept, but cannot be heard here now: ", ...prose(detail), "."] : []),
    );
    byId("clone-warning").hidden = !detail;
  }

  #open() {
    this.#form.reset();
    this.#warn();
    clearProblems(this.#form);
    this.#dialog.showModal();
  }

  async #send() {
    if (this.#submit.disabled) return;
    const [file] = byId("recording").files;
    if (!file) return showFieldProblem(this.#form, "file", "Choose a recording.");
    const fields = { name: "voice-name", provider: "voice-provider", transcript: "transcript" };
    const body = new FormData();
    for (const [name, id] of Object.entries(fields)) if (byId(id).value.trim()) body.set(name, byId(id).value);
    body.set("consent", String(byId("consent").checked));
    body.set("file", file);
    this.#submit.disabled = true;
    try {
      const voice = await contentOf(await send("POST", "voices", { body }), "json");
      this.#dialog.close();
      announce(`${voice.title} can speak now.`);
      this.#cloned(voice);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      const asked = { errors: [{ field: "consent", detail: "Without their agreement nobody is cloned." }] };
      showProblem(this.#form, problem.code === "consent_required" ? asked : problem);
    } finally {
      this.#submit.disabled = false;
    }
  }
}
