/** The settings of the engine, as the provider's manifest describes them. Only what is changed is sent. */

import { byId, h, showText } from "./dom.js";

const SLIDER_STEPS = 40;

export class Options {
  #place = byId("options");
  #changed;
  #inputs = new Map();

  /** `changed` is called after every change. */
  constructor(changed) {
    this.#changed = changed;
  }

  /** Offers those of the model; with a cloned voice not those that are for the provider's own voices alone. */
  offer(provider, model, cloned) {
    const has = ({ models, manifest_voice_only: ownOnly }) =>
      (!models.length || models.includes(model.id)) && !(cloned && ownOnly);
    // What takes a whole row comes last, so that it leaves no gaps.
    const offered = Object.entries(provider.options)
      .filter(([, option]) => has(option))
      .sort(([, one], [, other]) => isWide(one) - isWide(other));
    const signature = JSON.stringify([provider.name, offered]);
    if (this.#place.dataset.signature === signature) return;
    const before = this.values;
    this.#place.dataset.signature = signature;
    this.#inputs = new Map();
    this.#place.replaceChildren(
      ...offered.map(([name, option]) => this.#field(provider.name, name, option, before[name])),
    );
    this.#count();
  }

  /** What is to be sent. */
  get values() {
    const given = [...this.#inputs].map(([name, { read }]) => [name, read()]);
    return Object.fromEntries(given.filter(([, value]) => value !== null));
  }

  /** Whether an option stands for a voice now. */
  get replacesVoice() {
    return [...this.#inputs.values()].some(({ option, read }) => option.replaces_voice && read() !== null);
  }

  #field(provider, name, option, before) {
    const id = `option-${name}`;
    const { control, read, output } = controlOf(id, option, before);
    this.#inputs.set(name, { option, read });
    control.addEventListener("input", () => {
      this.#count();
      this.#changed();
    });
    control.setAttribute("aria-describedby", `${id}-hint`);
    const isCheck = option.type === "boolean";
    return h(
      "div",
      { class: `field${isWide(option) ? " wide" : ""}${isCheck ? " check" : ""}`, "data-field": `options.${name}` },
      ...(isCheck
        ? [h("label", {}, control, titleOf(name))]
        : [h("div", { class: "label-row" }, h("label", { for: id }, titleOf(name)), output), control]),
      h("p", { class: "hint", id: `${id}-hint` }, option.description),
      h("p", { class: "error", hidden: true }),
    );
  }

  #count() {
    const changed = Object.keys(this.values).length;
    showText(byId("changed"), changed ? `${changed} changed` : "");
  }
}

function controlOf(id, option, before) {
  if (option.type === "boolean") return truth(id, option, before);
  if (option.choices.length) return choice(id, option, before);
  if (option.type === "string") return words(id, option, before);
  const bounded = option.minimum !== null && option.maximum !== null && option.default !== null;
  return bounded ? slider(id, option, before) : figure(id, option, before);
}

function truth(id, option, before) {
  const control = h("input", { id, type: "checkbox", checked: before ?? option.default });
  return { control, read: () => (control.checked === Boolean(option.default) ? null : control.checked) };
}

function choice(id, option, before) {
  const entries = option.choices.map((name) =>
    h("option", { value: name, selected: name === (before ?? option.default) }, name),
  );
  const control = h(
    "select",
    { id },
    option.default === null ? h("option", { value: "" }, "engine's default") : null,
    entries,
  );
  return { control, read: () => (["", option.default].includes(control.value) ? null : control.value) };
}

function words(id, option, before) {
  const control = h("textarea", { id, rows: 2, maxlength: option.max_length });
  control.value = before ?? "";
  return { control, read: () => control.value.trim() || null };
}

function slider(id, option, before) {
  const span = option.maximum - option.minimum;
  // Round steps that hit the default: a fortieth of the range, rounded to 1, 2 or 5 times a power of ten.
  const rough = span / SLIDER_STEPS;
  const power = 10 ** Math.floor(Math.log10(rough));
  const nice = [1, 2, 5, 10].map((times) => times * power).find((step) => step >= rough * 0.99);
  const step = option.type === "integer" ? Math.max(1, Math.round(nice)) : nice;
  const { minimum: min, maximum: max } = option;
  const control = h("input", { id, type: "range", min, max, step: "any" });
  const output = h("output", { for: id });
  const rounded = () => Number((Math.round(control.valueAsNumber / step) * step).toFixed(6));
  const value = () =>
    Math.min(
      max,
      Math.max(min, Math.abs(control.valueAsNumber - option.default) < step / 2 ? option.default : rounded()),
    );
  const show = () => (output.textContent = String(value()));
  control.step = String(step);
  control.value = String(before ?? option.default);
  control.addEventListener("input", show);
  show();
  return { control, output, read: () => (value() === option.default ? null : value()) };
}

function figure(id, option, before) {
  const step = option.type === "integer" ? 1 : "any";
  const { minimum: min, maximum: max } = option;
  const control = h("input", { id, type: "number", min, max, step, placeholder: option.default ?? "engine's default" });
  if (before !== undefined) control.value = String(before);
  const read = () => (Number.isNaN(control.valueAsNumber) ? null : control.valueAsNumber);
  return { control, read };
}

const isWide = ({ type, choices }) => type === "string" && !choices.length;

const titleOf = (name) => name[0].toUpperCase() + name.slice(1).replaceAll("_", " ");
