/** Tries again what the service could not do for the moment. */

import { Problem } from "./api.js";
import { pause } from "./pause.js";

const RETRY_SECONDS = 2;

/** Whether the same request may do later: nobody answered, the service was in trouble, or wants to be asked less. */
export const isPassing = (error) =>
  error instanceof Problem && (error.status === 0 || error.status === 429 || error.status >= 500);

/**
 * What `ask` comes to, which is called again for as long as its problems pass, and so many times at most. `told` gets
 * each problem that is waited for. Throws what does not pass, and the signal's reason.
 */
export async function untilAnswered(ask, signal, { told = () => {}, tries = Infinity } = {}) {
  for (let tried = 1; ; tried += 1) {
    try {
      return await ask();
    } catch (error) {
      if (signal.aborted || !isPassing(error) || tried >= tries) throw error;
      told(error);
      await waitFor(error, signal);
    }
  }
}

/** The problem that is to be waited for longest, null where there is none. */
export const longest = (problems) =>
  problems.filter(Boolean).sort((one, other) => (other.retryAfter ?? 0) - (one.retryAfter ?? 0))[0] ?? null;

/** Waits as long as the problem asks for. */
export const waitFor = (problem, signal) => pause(problem?.retryAfter ?? RETRY_SECONDS, signal);
