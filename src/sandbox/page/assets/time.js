// Times of the protocol, and how people read them.

/** Milliseconds of a date in any form: `{"$date": ms}`, ISO text, a number. */
export function ms(date) {
  if (typeof date === "number") return date;
  if (typeof date === "string") return Date.parse(date) || 0;
  if (date && typeof date === "object") return Number(date.$date) || 0;
  return 0;
}

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const seconds = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const date = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long", year: "numeric" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });

export const clockTime = (at) => clock.format(at);
export const clockSeconds = (at) => seconds.format(at);
export const fullTime = (at) => full.format(at);

/** Changes where a day ends for the reader. */
export function dayOf(at) {
  const day = new Date(at);
  return day.getFullYear() * 10000 + day.getMonth() * 100 + day.getDate();
}

export function dayName(at) {
  const today = Date.now();
  if (dayOf(at) === dayOf(today)) return "Today";
  if (dayOf(at) === dayOf(today - 86_400_000)) return "Yesterday";
  return date.format(at);
}

/** Microseconds for people: `840 µs`, `12.3 ms`, `1.50 s`. */
export function span(us) {
  if (us === null || us === undefined) return "…";
  if (us < 1000) return `${Math.round(us)} µs`;
  if (us < 1_000_000) return `${(us / 1000).toFixed(us < 100_000 ? 1 : 0)} ms`;
  return `${(us / 1_000_000).toFixed(2)} s`;
}
