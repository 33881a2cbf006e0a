/** The form: a text and how it is to be spoken, until it is sent. */

import { Problem, contentOf, send } from "./api.js";
import { NOT_HERE } from "./catalog.js";
import { Choices } from "./choices.js";
import { byId, h, prose } from "./dom.js";
import { Estimate } from "./estimate.js";
import { count, sentence } from "./format.js";
import { Options } from "./options.js";
import { clearProblems, showFieldProblem, showProblem } from "./problems.js";
import { installTextFile } from "./text_file.js";

const TITLE_CHARACTERS = 80;

export class Composer {
  #form = byId("composer");
  #text = byId("text");
  #button = byId("speak");
  #choices = new Choices(() => this.#changed());
  #options = new Options(() => this.#changed());
  #estimate = new Estimate();
  #accepted;

  /** `accepted(job)` is called with every job that the service has taken. */
  constructor(accepted) {
    this.#accepted = accepted;
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
    this.#form.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
        event.preventDefault();
        this.#form.requestSubmit();
      }
    });
    this.#text.addEventListener("input", () => this.#changed());
    for (const id of ["seed", "priority", "cache"]) byId(id).addEventListener("input", () => this.#changed());
    installTextFile({
      area: this.#text,
      button: byId("load"),
      input: byId("file"),
      loaded: () => this.#changed(),
      refused: (detail) => {
        // Its answer would take away what is said here.
        this.#estimate.stop();
        showFieldProblem(this.#form, "text", detail);
      },
    });
  }

  /** Offers what can be asked for. */
  offer(catalog) {
    this.#choices.offer(catalog);
  }

  /** What stands for Kaggle here. */
  nameKaggle(name) {
    this.#choices.nameKaggle(name);
  }

  /** Takes a cloned voice. */
  speakWith(voice) {
    this.#choices.choose(voice);
    this.#text.focus();
  }

  get #request() {
    const seed = byId("seed");
    const fields = this.#choices.fields;
    if (this.#options.replacesVoice) delete fields.voice;
    return {
      text: this.#text.value,
      ...fields,
      priority: byId("priority").value,
      options: this.#options.values,
      ...(seed.value === "" || !this.#choices.provider.seed ? {} : { seed: seed.valueAsNumber }),
      ...(byId("cache").checked ? {} : { cache: false }),
      metadata: { title: titleOf(this.#text.value) },
    };
  }

  #changed() {
    const { provider, model, voice, unavailable, voiceField } = this.#choices;
    if (!provider) return;
    this.#options.offer(provider, model, Boolean(voice?.recording));
    voiceField.disabled = this.#options.replacesVoice;
    byId("seed").disabled = !provider.seed;
    byId("seed-hint").textContent = provider.seed
      ? "The same seed, the same speech."
      : `${provider.title} takes no seed.`;
    const most = provider.limits.max_text_characters;
    const used = [...this.#text.value].length;
    byId("counter").textContent = `${count(used)} / ${count(most)}`;
    byId("counter").classList.toggle("over", used > most);
    byId("about-choice").replaceChildren(
      ...(unavailable ? whyNot(unavailable) : [described(provider, model, voice)]),
    );
    byId("about-choice").classList.toggle("unavailable", Boolean(unavailable));
    // Why nothing can be spoken stands there already.
    this.#estimate.ask(unavailable ? null : this.#request);
  }

  async #send() {
    if (this.#button.getAttribute("aria-disabled") || !this.#choices.provider) return;
    this.#estimate.stop();
    this.#busy(true);
    try {
      const answer = await send("POST", "synthesize", { json: this.#request });
      clearProblems(this.#form);
      this.#estimate.sent();
      this.#accepted(await contentOf(answer, "json"));
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (NOT_HERE.includes(problem.code)) {
        this.#choices.refuse(problem.detail);
        showFieldProblem(this.#form, "provider", "It cannot speak here; why is said below.");
      } else showProblem(this.#form, problem);
    } finally {
      this.#busy(false);
    }
  }

  #busy(yes) {
    // Not `disabled`, which would take the keyboard's place from it.
    if (yes) this.#button.setAttribute("aria-disabled", "true");
    else this.#button.removeAttribute("aria-disabled");
  }
}

function described(provider, model, voice) {
  return [provider.description, provider.models.length > 1 ? model.description : "", voice?.description ?? ""]
    .filter(Boolean)
    .map(sentence)
    .join(" ");
}

/** The reason, with the command that would help on a line of its own. */
function whyNot(detail) {
  const [, before, command, after] = /^(.*?) \((pip install .+)\)(.*)$/s.exec(detail) ?? [null, detail, "", ""];
  return [...prose(before + after), command && h("code", { class: "command" }, command)].filter(Boolean);
}

/** The beginning of the text, for the list of jobs: the service does not give texts back. */
function titleOf(text) {
  const characters = [...text.trim().replaceAll(/\s+/g, " ")];
  return characters.length > TITLE_CHARACTERS
    ? `${characters.slice(0, TITLE_CHARACTERS - 1).join("")}…`
    : characters.join("");
}
