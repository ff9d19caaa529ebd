/** Prompts: languages, versions and what differs between them, and what a prompt says with its slots filled. */
import {choice, empty, enc, field, fill, h, name, note, pre, put, select, told, write} from "./dom.js";
import {plural} from "./format.js";
import {api, own} from "./live.js";

const path = id => `prompts/${id.split("/").map(enc).join("/")}`;

export async function show(main, {rest}) {
	const place = h(".stack");
	const head = h("p.muted");
	fill(main, h(".head", h("h1", "Prompts"), head), place);
	const found = await told(place, own("prompts"));
	if (!found) return;
	const {prompts: all, problems} = found;
	write(head, plural(all.length, "prompt"));
	if (!all.length) return fill(place, h(".panel", empty("No prompt yet", h("p", "Save one as ", h("code", "resources/prompts/en/greeting.prompt"), ": plain text, with slots as ", h("code", "{{ name }}"), "."))));
	const open = id => prompt(out, all.find(one => one.id === id));
	const known = all.find(one => one.id === rest.join("/")) ?? all[0];
	const out = h(".stack");
	put(place, problems.length > 0 && note("bad", problems.map(one => h("p", name(`${one.path}: ${one.message}`)))),
		h(".bar", h("span.muted", "Prompt"), select(all.map(({id}) => [id, name(id)]), known.id, open, "Prompt")), out);
	open(known.id);
}

/** One prompt: its languages, its versions, its text, rendered. */
async function prompt(place, {id, languages}) {
	const got = await told(place, own(path(id)));
	if (!got) return;
	const keys = Object.keys(languages);
	const draw = language => put(place, text(id, language, got.versions[language] ?? [languages[language].ref], tabs), render(id, language, languages[language].slots));
	const tabs = choice(keys.map(one => [one]), keys[0], draw);
	draw(keys[0]);
}

function text(id, language, refs, tabs) {
	const out = h("");
	const versions = refs.map((ref, at) => [ref, `${ref.split("@").pop()}${at ? "" : " (newest)"}`]);
	const look = async () => {
		const differ = against.value && against.value !== version.value;
		const query = differ ? `/diff?from=${enc(against.value)}&to=${enc(version.value)}` : `?ref=${enc(version.value)}`;
		const got = await told(out, api(`${path(id)}${query}&language=${enc(language)}`));
		if (!got) return;
		if (!differ) return put(out, pre(got.text));
		put(out, fill(pre("", "pre.lines"), got.lines.map(line => h({"+": ".plus", "-": ".minus"}[line.op] ?? "", h("i", line.op), line.text || " "))));
	};
	const version = select(versions, refs[0], look);
	const against = select([["", "nothing"], ...versions], "", look);
	look();
	return h(".panel", h(".head", h(".bar", field("Version", version), refs.length > 1 && field("Compared with", against)), tabs), out);
}

function render(id, language, slots) {
	const fields = slots.map(name => h("input", {type: "text", name}));
	const out = h("", {role: "status"});
	const onsubmit = async event => {
		event.preventDefault();
		const values = Object.fromEntries(fields.filter(one => one.value).map(one => [one.name, one.value]));
		const got = await told(out, own(`${path(id)}/render`, {body: {language, prompt_vars: values}}));
		if (got) put(out, pre(got.text));
	};
	return h("form.panel", {onsubmit}, h("h2", "With values"), slots.length ? h(".fields", slots.map((slot, at) => field(name(slot), fields[at]))) : h("p.muted", "It has no slots."), h(".bar", h("button", {type: "submit"}, "Render")), out);
}
