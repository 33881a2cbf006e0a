/** The service's public API. Addresses are relative to the page, so that it works below a proxy's prefix too. */

const KEY = "kavox-key";
const root = new URL(".", document.baseURI);

let key = sessionStorage.getItem(KEY);
let asking = null;
let askForKey = async () => null;

/** What the service refused or could not do: RFC 9457's fields; status 0 where it did not answer at all. */
export class Problem extends Error {
  constructor(status, { code = "unreachable", detail = "The service does not answer.", errors = [] } = {}) {
    super(detail);
    Object.assign(this, { status, code, detail, errors });
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
  sessionStorage.removeItem(KEY);
}

/**
 * The answer to a request. Waits for a key where one is wanted. Throws Problem, and AbortError as fetch does.
 * `query`: parameters, those that are null or "" are left out; `json`: the body.
 */
export async function send(method, path, { query = {}, json, body, headers = {}, signal } = {}) {
  const url = new URL(path, root);
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== "") url.searchParams.set(name, value);
  }
  for (;;) {
    const used = key;
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
    if (answer.status !== 401) return answer.ok ? answer : Promise.reject(await problemOf(answer));
    // Somebody may have given another key meanwhile.
    if (key === used) await wantKey(used !== null);
  }
}

/** The JSON that a GET answers; readyz answers one with its 503 too. */
export async function get(path, query, signal) {
  return (await send("GET", path, { query, signal })).json();
}

async function attempt(url, init) {
  try {
    return await fetch(url, { cache: "no-cache", credentials: "omit", ...init });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0);
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
  sessionStorage.setItem(KEY, key);
}
