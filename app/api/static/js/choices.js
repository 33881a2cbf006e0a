/** Provider, model, language, voice, format and place: each offers what goes with those before it. */

import { asksForLocal, placesOf, voicesOf } from "./catalog.js";
import { byId, fillSelect } from "./dom.js";
import { keep, recall } from "./tab_memory.js";

const FORMATS = ["wav", "flac", "mp3", "opus", "pcm"];
const REMEMBERED = "kavox-choices";

export class Choices {
  #fields = Object.fromEntries(
    ["provider", "model", "language", "voice", "format", "where"].map((id) => [id, byId(id)]),
  );
  #catalog = { preferred: "", providers: [], voices: [], unavailable: new Map() };
  #kaggle = "Kaggle";
  // The place that a person chose; a provider that has but one chooses nothing.
  #place = null;
  #changed;

  /** `changed` is called after every choice. */
  constructor(changed) {
    this.#changed = changed;
    fillSelect(
      this.#fields.format,
      FORMATS.map((name) => [name, name.toUpperCase()]),
      "wav",
    );
    for (const field of Object.values(this.#fields)) {
      field.addEventListener("change", () => {
        const { where } = this.#fields;
        if (field === where) this.#place = where.value;
        this.#fill(field === where ? { where: where.value } : {});
        this.#remember();
        changed();
      });
    }
  }

  /** Offers what the catalog has; what was chosen stays chosen where it is still there. */
  offer(catalog) {
    const first = !this.#catalog.providers.length;
    this.#catalog = catalog;
    const label = ({ name, title }) => `${title}${this.#isHere(name) ? "" : " (not here)"}`;
    const sorted = [...catalog.providers].sort((one, other) => this.#isHere(other.name) - this.#isHere(one.name));
    const remembered = first ? this.#remembered() : {};
    const { where: place, ...others } = remembered;
    this.#place = place ?? this.#place;
    const wanted = remembered.provider ?? (first ? catalog.preferred : this.#fields.provider.value);
    fillSelect(
      this.#fields.provider,
      sorted.map((provider) => [provider.name, label(provider)]),
      wanted,
    );
    this.#fill(others);
    this.#changed();
  }

  /** What stands for Kaggle here. */
  nameKaggle(name) {
    this.#kaggle = name;
    if (this.#catalog.providers.length) this.#fill();
  }

  /** Chooses a voice, and the provider and model that go with it. */
  choose(voice) {
    this.#fields.provider.value = voice.provider;
    const { model, language } = this.#fields;
    this.#fill({ model: voice.models.includes(model.value) ? model.value : voice.models[0] });
    if (!voice.languages.includes(language.value)) this.#fill({ language: voice.languages[0] });
    this.#fields.voice.value = voice.id;
    this.#changed();
  }

  get provider() {
    return this.#catalog.providers.find(({ name }) => name === this.#fields.provider.value);
  }

  get model() {
    return this.provider?.models.find(({ id }) => id === this.#fields.model.value);
  }

  get voice() {
    const { voice } = this.#fields;
    return this.model && voicesOf(this.#catalog, this.provider, this.model.id).find(({ id }) => id === voice.value);
  }

  /** Takes note that nothing can be spoken as it is chosen. */
  refuse(detail) {
    this.#catalog.unavailable.set(`${this.provider.name}:${this.#fields.where.value}`, detail);
    this.offer(this.#catalog);
  }

  /** The voice's select, for whoever stands for a voice. */
  get voiceField() {
    return this.#fields.voice;
  }

  /** Why nothing can be spoken as it is chosen, or null. */
  get unavailable() {
    return this.#catalog.unavailable.get(`${this.provider?.name}:${this.#fields.where.value}`) ?? null;
  }

  /** The fields of a request. */
  get fields() {
    const { provider, model, language, voice, format, where } = this.#fields;
    const chosen = { provider, model, language, voice, format };
    const fields = Object.fromEntries(Object.entries(chosen).map(([name, { value }]) => [name, value]));
    return asksForLocal(this.provider, where.value) ? { ...fields, gpu: false } : fields;
  }

  #fill(wanted = {}) {
    const { provider } = this;
    if (!provider) return;
    const { model, language, voice, where, format } = this.#fields;
    const models = provider.models.map(({ id, title }) => [id, title]);
    const known = models.some(([id]) => id === (wanted.model ?? model.value));
    fillSelect(model, models, known ? (wanted.model ?? model.value) : provider.default_model);
    const voices = voicesOf(this.#catalog, provider, model.value);
    const spoken = new Set(voices.flatMap(({ languages }) => languages));
    const languages = provider.languages.filter(({ code }) => spoken.has(code)).map(({ code, title }) => [code, title]);
    const usual = provider.voices.find(({ id }) => id === provider.default_voice);
    const kept = wanted.language ?? language.value;
    fillSelect(language, languages, languages.some(([code]) => code === kept) ? kept : usual.languages[0]);
    fillSelect(voice, this.#voices(voices, language.value), wanted.voice ?? voice.value);
    if (!wanted.voice && voice.selectedIndex === 0 && !known) voice.value = provider.default_voice;
    if (voice.selectedIndex < 0) voice.selectedIndex = 0;
    const names = { kaggle: this.#kaggle, local: "This machine" };
    const places = placesOf(provider);
    const speaksAt = (place) => !this.#catalog.unavailable.has(`${provider.name}:${place}`);
    fillSelect(
      where,
      places.map((place) => [place, names[place] + (speaksAt(place) ? "" : " (not here)")]),
      wanted.where ?? [this.#place, ...places].find((place) => places.includes(place) && speaksAt(place)) ?? places[0],
    );
    if (wanted.format)
      fillSelect(
        format,
        FORMATS.map((name) => [name, name.toUpperCase()]),
        wanted.format,
      );
  }

  #voices(voices, language) {
    const entry = ({ id, title, gender, recording }) => [
      id,
      `${title}${gender && recording === null ? `, ${gender}` : ""}`,
    ];
    const speaking = voices.filter(({ languages }) => languages.includes(language));
    const own = speaking.filter(({ recording }) => recording !== null).map(entry);
    const others = speaking.filter(({ recording }) => recording === null).map(entry);
    return own.length
      ? [
          { label: "Your voices", options: own },
          { label: "Voices", options: others },
        ]
      : others;
  }

  #isHere(name) {
    const provider = this.#catalog.providers.find((one) => one.name === name);
    return placesOf(provider).some((place) => !this.#catalog.unavailable.has(`${name}:${place}`));
  }

  #remember() {
    const chosen = Object.entries(this.#fields).map(([name, { value }]) => [name, value]);
    const values = [...chosen, ["where", this.#place]];
    keep(REMEMBERED, JSON.stringify(Object.fromEntries(values)));
  }

  #remembered() {
    const choices = JSON.parse(recall(REMEMBERED) ?? "{}");
    return this.#catalog.providers.some(({ name }) => name === choices.provider) ? choices : {};
  }
}
