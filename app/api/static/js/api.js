/** The service's public API. Addresses are relative to the page, so that it works below a proxy's prefix too. */

import { orLate } from "./pause.js";
import { keep, recall } from "./tab_memory.js";

const KEY = "kavox-key";
// For the head of an answer, and for the rest of one that is small.
const ANSWER_SECONDS = 60;
const root = new URL(".", document.baseURI);

let key = recall(KEY);
let asking = null;
let askForKey = async () => null;

/**
 * What the service refused or could not do: RFC 9457's fields; status 0 where it did not answer at all, or not to the
 * end. `retryAfter`: seconds for which it wants no more of this, or null.
 */
export class Problem extends Error {
  constructor(status, { code = "unreachable", detail = "The service does not answer.", errors = [] } = {}) {
    super(detail);
    Object.assign(this, { status, code, detail, errors, retryAfter: null });
  }
}

/** `ask(wrong)` gets a key from a person, once for all requests that wait for one. */
export function onKeyWanted(ask) {
  askForKey = ask;
}

/** Whether a key is kept. */
export const hasKey = () => key !== null;

/** Forgets the key. */
export function forgetKey() {
  key = null;
  keep(KEY, null);
}

/**
 * The answer to a request. Waits for a key where one is wanted. Throws Problem, and the signal's reason once that is set.
 * `query`: parameters, those that are null or "" are left out; `json`: the body; `keyless`: it is for everybody, and so
 * counts against no key's rate.
 */
export async function send(method, path, { query = {}, json, body, headers = {}, signal, keyless = false } = {}) {
  const url = new URL(path, root);
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== "") url.searchParams.set(name, value);
  }
  for (;;) {
    const used = keyless ? null : key;
    const answer = await attempt(url, {
      method,
      signal,
      body: json === undefined ? body : JSON.stringify(json),
      headers: {
        ...headers,
        ...(json === undefined ? {} : { "Content-Type": "application/json" }),
        ...(used === null ? {} : { Authorization: `Bearer ${used}` }),
      },
    });
    if (answer.status !== 401 || keyless) return answer.ok ? answer : Promise.reject(await problemOf(answer));
    // Somebody may have given another key meanwhile.
    if (key === used) await wantKey(used !== null);
  }
}

/** The JSON that a GET answers. */
export async function get(path, query, signal) {
  return contentOf(await send("GET", path, { query, signal }), "json");
}

/** The body of an answer, as "json", "text" or "blob". Throws Problem where it breaks off, or is something else. */
export async function contentOf(answer, kind) {
  try {
    // Sounds may take longer, and whoever waits for them can see it.
    if (kind === "blob") return await answer.blob();
    return await orLate(answer[kind](), ANSWER_SECONDS, brokenOff);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    return brokenOff();
  }
}

function brokenOff() {
  throw new Problem(0, { code: "broken_off", detail: "The answer broke off on its way." });
}

async function attempt(url, init) {
  const unanswered = new AbortController();
  // Only what is small has its answer in a time that is known.
  const timer = init.body instanceof FormData ? null : setTimeout(() => unanswered.abort(), ANSWER_SECONDS * 1000);
  const signal = AbortSignal.any([unanswered.signal, ...(init.signal ? [init.signal] : [])]);
  try {
    return await fetch(url, { cache: "no-cache", credentials: "omit", ...init, signal });
  } catch {
    init.signal?.throwIfAborted();
    throw new Problem(0);
  } finally {
    clearTimeout(timer);
  }
}

async function problemOf(answer) {
  const body = await answer.json().catch(() => null);
  const problem = new Problem(
    answer.status,
    body?.detail ? body : { code: "", detail: `It answers ${answer.status}.` },
  );
  return Object.assign(problem, { body, retryAfter: Number(answer.headers.get("Retry-After")) || null });
}

async function wantKey(wrong) {
  asking ??= askForKey(wrong).finally(() => (asking = null));
  key = await asking;
  keep(KEY, key);
}
