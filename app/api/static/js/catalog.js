/** What can be asked for: the providers' manifests, the voices, and which providers can speak here at all. */

import { get, send } from "./api.js";

/** The codes of a refusal that is about where a provider can speak. */
export const NOT_HERE = ["needs_kaggle", "local_not_available"];

// Everybody can speak a digit, so that a refusal is about the provider.
const SPEAKABLE_BY_ALL = "1";
const cloned = new Map();

/** Reads it all. `unavailable` has the reason why a provider cannot speak here, for each place where it might. */
export async function readCatalog() {
  const [{ default: preferred, providers }, { voices }] = await Promise.all([get("providers"), get("voices")]);
  for (const { id, title, recording } of voices) if (recording !== null) cloned.set(id, title);
  const catalog = { preferred, providers, voices, unavailable: new Map() };
  await Promise.all(providers.map(async (provider) => probe(catalog, provider)));
  return catalog;
}

/** The caller's own voices, those that were cloned. */
export const ownVoices = ({ voices }) => voices.filter(({ recording }) => recording !== null);

/** What a voice is called: a cloned one has an id that tells nobody anything. */
export const nameOfVoice = (id) => cloned.get(id) ?? id;

/** The voices of a provider that the model can speak with. */
export function voicesOf({ voices }, provider, model) {
  const fits = ({ models, recording }) => (recording === null && !models.length) || models.includes(model);
  return voices.filter((voice) => voice.provider === provider.name && fits(voice));
}

/** The places where a provider can be asked to run: kaggle, which the emulator may stand for, and local. */
export const placesOf = ({ hosts }) => ["kaggle", "local"].filter((place) => hosts.includes(place));

async function probe({ unavailable }, provider) {
  for (const place of placesOf(provider)) {
    const json = {
      text: SPEAKABLE_BY_ALL,
      provider: provider.name,
      ...(asksForLocal(provider, place) ? { gpu: false } : {}),
    };
    try {
      await send("POST", "synthesize", { query: { dry_run: true }, json });
    } catch (problem) {
      if (!NOT_HERE.includes(problem.code)) continue;
      unavailable.set(`${provider.name}:${place}`, problem.detail);
    }
  }
}

/** Whether a request must say `gpu: false` to run there. */
export const asksForLocal = (provider, place) => place === "local" && provider.hosts.includes("kaggle");
