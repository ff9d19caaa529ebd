/** Numbers, times and sizes as people read them. Pure. */

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
export const NONE = "\u2013";
export const missing = (value) => value === null || value === undefined || Number.isNaN(value);

export const count = (value) => (missing(value) ? NONE : whole.format(value));

/** At most three digits that say something: 0.42, 8.1, 37, 12,400. */
export function rate(value) {
  if (missing(value)) return NONE;
  return value >= 20 || value === 0 ? whole.format(value) : value.toFixed(value < 1 ? 2 : 1);
}

export function ms(value) {
  if (missing(value)) return NONE;
  if (value < 1) return `${value.toFixed(1)} ms`;
  if (value < 1000) return `${Math.round(value)} ms`;
  return seconds(value / 1000);
}

export function seconds(value) {
  if (missing(value)) return NONE;
  if (value < 10) return `${value.toFixed(1)} s`;
  if (value < 100) return `${Math.round(value)} s`;
  return span(value);
}

/** 2 min 5 s, 3 h 20 min, 4 d 2 h. */
export function span(value) {
  const s = Math.max(0, Math.round(value));
  for (const [size, unit, small, below] of [[86400, "d", 3600, "h"], [3600, "h", 60, "min"], [60, "min", 1, "s"]]) {
    if (s < size) continue;
    const rest = Math.floor((s % size) / small);
    return `${Math.floor(s / size)} ${unit}${rest ? ` ${rest} ${below}` : ""}`;
  }
  return `${s} s`;
}

export const ago = (unix, now = Date.now() / 1000) => (missing(unix) ? NONE : now - unix < 2 ? "just now" : `${span(now - unix)} ago`);
export const ahead = (unix, now = Date.now() / 1000) => (unix <= now ? "now" : `in ${span(unix - now)}`);

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const day = new Intl.DateTimeFormat(undefined, { year: "numeric", month: "short", day: "numeric" });
export const time = (unix) => (missing(unix) ? NONE : clock.format(unix * 1000));
/** The time, and the day too where it is not today. */
export function moment(unix) {
  if (missing(unix)) return NONE;
  const date = new Date(unix * 1000);
  return date.toDateString() === new Date().toDateString() ? clock.format(date) : `${day.format(date)}, ${clock.format(date)}`;
}

/** US dollars; sums below ten cents keep two digits that say something. */
export function money(value) {
  if (missing(value)) return NONE;
  const size = Math.abs(value);
  if (size === 0) return "$0";
  if (size >= 1000) return `$${whole.format(value)}`;
  return `$${value.toFixed(size >= 0.1 ? 2 : Math.min(8, 1 - Math.floor(Math.log10(size))))}`;
}

export function bytes(value) {
  if (missing(value)) return NONE;
  let size = value;
  for (const unit of ["B", "kB", "MB", "GB"]) {
    if (size < 1000) return `${size < 10 && unit !== "B" ? size.toFixed(1) : Math.round(size)} ${unit}`;
    size /= 1000;
  }
  return `${size.toFixed(1)} TB`;
}

export const percent = (part) => (missing(part) ? NONE : `${part * 100 < 10 && part > 0 ? (part * 100).toFixed(1) : Math.round(part * 100)} %`);
export const plural = (number, one, many = `${one}s`) => `${whole.format(number)} ${number === 1 ? one : many}`;
export const usd = (micro) => money(missing(micro) ? null : micro / 1e6);
