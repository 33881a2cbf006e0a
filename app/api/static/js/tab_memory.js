/** What this tab remembers until it is closed. A browser that keeps nothing for pages forgets it at the next reload. */

/** The text that was kept under this name, or null. */
export function recall(name) {
  try {
    return sessionStorage.getItem(name);
  } catch {
    return null;
  }
}

/** Keeps the text; null forgets it. */
export function keep(name, text) {
  try {
    if (text === null) sessionStorage.removeItem(name);
    else sessionStorage.setItem(name, text);
  } catch {
    // It holds for this page then.
  }
}
