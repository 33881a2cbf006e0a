/** Waits of so many seconds. */

// A timer takes no more than 24 days, and nobody looks at a page for longer than this without touching it.
const MOST_SECONDS = 3600;

/** What a timer can take of this many seconds, in milliseconds. */
export const milliseconds = (seconds) => Math.min(Math.max(seconds, 0), MOST_SECONDS) * 1000;

/** What the promise comes to; after so many seconds what `late` does. */
export async function orLate(promise, seconds, late) {
  let timer = null;
  const lateness = new Promise((resolve) => {
    timer = setTimeout(resolve, milliseconds(seconds));
  }).then(late);
  try {
    return await Promise.race([promise, lateness]);
  } finally {
    clearTimeout(timer);
  }
}

/** Resolves after so many seconds; rejects with the signal's reason as soon as it is aborted. */
export function pause(seconds, signal) {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const leave = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", leave);
      resolve();
    }, milliseconds(seconds));
    signal.addEventListener("abort", leave, { once: true });
  });
}
