/** Figures and moments as people read them. */

const ago = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const moment = new Intl.DateTimeFormat("en", {
  weekday: "short",
  hour: "2-digit",
  minute: "2-digit",
  hourCycle: "h23",
});
const whole = new Intl.NumberFormat("en");

// A figure stays beside its unit.
const unit = (figure, name) => `${figure}\u00a0${name}`;

/** The text with a full stop, where it has none: the service's details end without. */
export const sentence = (text) => (/[.!?]$/.test(text) ? text : `${text}.`);

/** 1,234 */
export const count = (number) => whole.format(number);

/** 1 piece, 3 pieces */
export const counted = (number, noun) => `${count(number)} ${noun}${number === 1 ? "" : "s"}`;

/** A clock's reading: 0:07, 12:30, 1:02:03. */
export function clock(seconds) {
  const total = Math.max(0, Math.floor(seconds));
  const [hours, minutes, rest] = [Math.floor(total / 3600), Math.floor(total / 60) % 60, total % 60];
  const tail = String(rest).padStart(2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${tail}` : `${minutes}:${tail}`;
}

/** A duration: 0.4 s, 12 s, 3 min, 2 h 5 min. */
export function duration(seconds) {
  if (seconds < 9.95) return unit(Number(seconds.toFixed(1)), "s");
  if (seconds < 99.5) return unit(Math.round(seconds), "s");
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return unit(minutes, "min");
  return unit(Math.floor(minutes / 60), "h") + (minutes % 60 ? ` ${unit(minutes % 60, "min")}` : "");
}

/** Hours with one decimal: 28.4 h. */
export const hours = (seconds) => unit(Number((seconds / 3600).toFixed(1)), "h");

/** 820 B, 12 kB, 3.4 MB */
export function bytes(size) {
  if (size < 1000) return unit(size, "B");
  if (size < 1e6) return unit(Math.round(size / 1e3), "kB");
  return unit(Number((size / 1e6).toFixed(1)), "MB");
}

/** just now, 3 minutes ago, yesterday */
export function since(iso) {
  const seconds = (Date.parse(iso) - Date.now()) / 1000;
  for (const [name, length] of [
    ["day", 86400],
    ["hour", 3600],
    ["minute", 60],
  ]) {
    if (Math.abs(seconds) >= length) return ago.format(Math.round(seconds / length), name);
  }
  return "just now";
}

/** Sat, 02:00 */
export const at = (iso) => moment.format(new Date(iso));
