/** Numbers, times and sizes as people read them; a dash where nothing is known. */
import {now} from "./live.js";

export const NONE = "\u2013";
export const missing = value => Number.isNaN(value ?? NaN);
const known = show => value => (missing(value) ? NONE : show(value));

const whole = new Intl.NumberFormat("en", {maximumFractionDigits: 0}).format;
const two = new Intl.NumberFormat("en", {maximumSignificantDigits: 2}).format;

export const count = known(whole);
/** Only digits that say something: 0.42, 8.1, 37, 12,400. */
export const rate = known(value => (value < 20 ? two : whole)(value));
export const percent = known(part => `${(part < 0.1 ? two : whole)(part * 100)} %`);
export const ms = known(value => (value < 1000 ? `${(value < 1 ? two : whole)(value)} ms` : seconds(value / 1000)));
export const seconds = known(value => (value < 100 ? `${value < 10 ? value.toFixed(1) : whole(value)} s` : span(value)));

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

export const ago = known(unix => (now() - unix < 2 ? "just now" : `${span(now() - unix)} ago`));
export const ahead = unix => (unix <= now() ? "now" : `in ${span(unix - now())}`);

const clock = new Intl.DateTimeFormat(undefined, {timeStyle: "medium", hourCycle: "h23"}).format;
const day = new Intl.DateTimeFormat(undefined, {dateStyle: "medium"}).format;
export const time = known(unix => clock(unix * 1000));
/** The time, and the day too where it is not today. */
export const moment = known(unix => {
	const date = new Date(unix * 1000);
	return date.toDateString() === new Date().toDateString() ? clock(date) : `${day(date)}, ${clock(date)}`;
});

/** US dollars. */
export const money = known(value => {
	const size = Math.abs(value);
	return `$${!size || size >= 1000 ? whole(value) : size >= 0.1 ? value.toFixed(2) : two(value)}`;
});
export const usd = known(micro => money(micro / 1e6));

export const bytes = known(value => {
	const units = ["B", "kB", "MB", "GB", "TB"];
	while (value >= 1000 && units[1]) (value /= 1000), units.shift();
	return `${value < 10 && units[0] !== "B" ? value.toFixed(1) : whole(value)} ${units[0]}`;
});

export const plural = (number, one) => `${whole(number)} ${one}${number === 1 ? "" : "s"}`;

const FACES = {openai: "OpenAI", responses: "Responses", anthropic: "Anthropic", ollama: "Ollama", gemini: "Gemini", api: "own"};
export const faces = Object.entries(FACES);
export const faceOf = name => FACES[name] ?? name;
