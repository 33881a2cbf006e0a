/** What can be asked for: the providers' manifests, the voices, and which providers can speak here at all. */

import { Problem, contentOf, get, send } from "./api.js";
import { isPassing, longest } from "./patience.js";

/** The codes of a refusal that is about where a provider can speak. */
export const NOT_HERE = ["needs_kaggle", "local_not_available"];

// Everybody can speak a digit, so that a refusal is about the provider.
const SPEAKABLE_BY_ALL = "1";
const cloned = new Map();
// The places that were asked about, each a request, and the reasons of those that refused.
const asked = new Set();
const unavailable = new Map();

/**
 * Reads it all. `unavailable` has the reason why a provider cannot speak here, for each place where it might; what was
 * asked about before is not asked again, unless `afresh`. `unasked`: the problem that kept some places from being asked.
 */
export async function readCatalog({ afresh = false } = {}) {
  if (afresh) for (const known of [asked, unavailable]) known.clear();
  const [{ default: preferred, providers }, { voices }] = await Promise.all([get("providers"), get("voices")]);
  for (const { id, title, recording } of voices) if (recording !== null) cloned.set(id, title);
  const places = providers.flatMap((provider) => placesOf(provider).map((place) => [provider, place]));
  const problems = await Promise.all(places.map(([provider, place]) => probe(provider, place)));
  return { preferred, providers, voices, unavailable, unasked: longest(problems) };
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

/** Asks whether a provider can speak at a place; the problem where that cannot be said now, else null. */
async function probe(provider, place) {
  const name = `${provider.name}:${place}`;
  if (asked.has(name)) return null;
  const json = {
    text: SPEAKABLE_BY_ALL,
    provider: provider.name,
    ...(asksForLocal(provider, place) ? { gpu: false } : {}),
  };
  try {
    // To its end, so that the next one can have the connection.
    await contentOf(await send("POST", "synthesize", { query: { dry_run: true }, json }), "json");
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    if (isPassing(problem)) return problem;
    if (NOT_HERE.includes(problem.code)) unavailable.set(name, problem.detail);
  }
  asked.add(name);
  return null;
}

/** Whether a request must say `gpu: false` to run there. */
export const asksForLocal = (provider, place) => place === "local" && provider.hosts.includes("kaggle");
