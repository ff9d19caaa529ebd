/** How an answer is read, whatever API it comes by: the server says where what stands (llm_proxy/console/playground/reads.py). Pure. */

/** All that stands in `value` by the steps of such a path. */
function* found(value, [step, ...rest]) {
	if (value === null || value === undefined) return;
	if (step === undefined) return yield value;
	const [name, sign, wanted] = step.split(/(!?=)/);
	if (step === "*") for (const one of value) yield* found(one, rest);
	else if (!sign) yield* found(value[name], rest);
	else if ((String(value[name]) === wanted) === (sign === "=")) yield* found(value, rest);
}

const all = (value, path) => [...found(value, path.split("/"))];

/**
 * What an event says, or a whole answer: `{text, thought, end, error, calls: [{at, id, name, args, signature}]}`, each of them
 * if it came. `args` of one call may come in pieces, which have the same `at`.
 */
export function read(event, {calls, ...reads}) {
	const said = {};
	for (const [what, paths] of Object.entries(reads)) {
		for (const one of paths.flatMap(path => all(event, path))) said[what] = /text|thought/.test(what) ? (said[what] ?? "") + one : one;
	}
	said.calls = calls.flatMap(({where, ...parts}) => all(event, where).map(call => {
		const made = Object.fromEntries(Object.entries(parts).map(([part, path]) => [part, all(call, path)[0]]));
		return typeof made.args === "object" ? {...made, args: JSON.stringify(made.args)} : made;
	})).filter(({name, args}) => name ?? args);
	return said;
}
