/**
 * The APIs that a client may speak: how a conversation becomes a request, how the events of an answer are read, and how the
 * same is done with curl and Python. Pure.
 *
 * A conversation: `turns: [{role: "user" | "assistant" | "tool", text, images: [{type, data}], calls: [{id, name, args}], call, name}]`.
 * Reading calls `took({text, thought, call: {at, id, name, args}, input, output, end, error})`, each of them if it came.
 */

/** Where this gateway is: the page stands at BASE/console. */
export const base = globalThis.location ? new URL(".", location.href).href.replace(/\/$/, "") : "";

const dataUrl = (image) => `data:${image.type};base64,${image.data}`;
const parsed = (text) => {
  try {
    return JSON.parse(text || "{}");
  } catch {
    return {};
  }
};
const functions = (tools) => tools?.map((tool) => ({ type: "function", function: tool }));
/** Undefined if nothing in it is defined: an empty object would be sent. */
const some = (object) => (Object.values(object).some((one) => one !== undefined) ? object : undefined);
const list = (all) => (all?.length ? all : undefined);
/** Text and pictures as parts; the text alone where a picture is missing. */
const parts = ({ text, images }, words, picture) => (images?.length ? [...(text ? [words(text)] : []), ...images.map(picture)] : text);

const chatTurn = (turn) => {
  if (turn.role === "tool") return { role: "tool", tool_call_id: turn.call, content: turn.text };
  if (turn.role === "user") return { role: "user", content: parts(turn, (text) => ({ type: "text", text }), (image) => ({ type: "image_url", image_url: { url: dataUrl(image) } })) };
  return { role: "assistant", content: turn.text, tool_calls: list(turn.calls?.map(({ id, name, args }) => ({ id, type: "function", function: { name, arguments: args || "{}" } }))) };
};

const chatBody = (asked) => ({
  model: asked.model,
  messages: [...(asked.system ? [{ role: "system", content: asked.system }] : []), ...asked.turns.map(chatTurn)],
  stream: asked.stream,
  stream_options: asked.stream ? { include_usage: true } : undefined,
  temperature: asked.temperature,
  top_p: asked.top_p,
  max_tokens: asked.max_tokens,
  seed: asked.seed,
  stop: asked.stop,
  tools: functions(asked.tools),
});

function readChat({ error, choices = [], usage }, took) {
  took({ error, input: usage?.prompt_tokens, output: usage?.completion_tokens });
  for (const choice of choices) {
    const part = choice.delta ?? choice.message ?? {};
    took({ text: part.content, thought: part.reasoning_content ?? part.reasoning, end: choice.finish_reason });
    part.tool_calls?.forEach((call, at) => took({ call: { at: call.index ?? at, id: call.id, name: call.function?.name, args: call.function?.arguments } }));
  }
}

const anthropicTurn = (turn) => {
  const text = (words) => ({ type: "text", text: words });
  if (turn.role === "tool") return { role: "user", content: [{ type: "tool_result", tool_use_id: turn.call, content: turn.text }] };
  if (turn.role === "user") return { role: "user", content: parts(turn, text, (image) => ({ type: "image", source: { type: "base64", media_type: image.type, data: image.data } })) };
  return { role: "assistant", content: [...(turn.text ? [text(turn.text)] : []), ...turn.calls.map(({ id, name, args }) => ({ type: "tool_use", id, name, input: parsed(args) }))] };
};

const anthropicBody = (asked) => ({
  model: asked.model,
  max_tokens: asked.max_tokens ?? 1024,
  system: asked.system,
  messages: asked.turns.map(anthropicTurn),
  stream: asked.stream,
  temperature: asked.temperature,
  top_p: asked.top_p,
  stop_sequences: asked.stop,
  tools: asked.tools?.map(({ name, description, parameters }) => ({ name, description, input_schema: parameters ?? { type: "object" } })),
});

function readAnthropic({ type, error, index, delta = {}, content_block: block, content, message, ...event }, took) {
  const usage = event.usage ?? message?.usage;
  const called = (at, { id, name, input }, args = JSON.stringify(input)) => took({ call: { at, id, name, args } });
  took({ error, text: delta.text, thought: delta.thinking, end: delta.stop_reason ?? event.stop_reason, input: usage?.input_tokens, output: usage?.output_tokens });
  if (block?.type === "tool_use") called(index, block, "");
  if (delta.partial_json) took({ call: { at: index, args: delta.partial_json } });
  if (type === "message") content.forEach((one, at) => (one.type === "tool_use" ? called(at, one) : took({ text: one.text, thought: one.thinking })));
}

const ollamaBody = (asked) => ({
  ...chatBody(asked),
  messages: [
    ...(asked.system ? [{ role: "system", content: asked.system }] : []),
    ...asked.turns.map(({ role, text = "", images, name, calls }) => ({
      role,
      content: text,
      images: list(images?.map((image) => image.data)),
      tool_name: name,
      tool_calls: list(calls?.map((call) => ({ function: { name: call.name, arguments: parsed(call.args) } }))),
    })),
  ],
  options: some({ temperature: asked.temperature, top_p: asked.top_p, num_predict: asked.max_tokens, seed: asked.seed, stop: asked.stop }),
  ...Object.fromEntries(["stream_options", "temperature", "top_p", "max_tokens", "seed", "stop"].map((key) => [key, undefined])),
});

function readOllama({ error, message = {}, ...event }, took) {
  took({ error, text: message.content, thought: message.thinking });
  message.tool_calls?.forEach((call) => took({ call: { id: call.id, name: call.function.name, args: JSON.stringify(call.function.arguments) } }));
  if (event.done) took({ end: event.done_reason ?? "stop", input: event.prompt_eval_count, output: event.eval_count });
}

const geminiTurn = (turn) => {
  if (turn.role === "tool") return { role: "user", parts: [{ functionResponse: { id: turn.call, name: turn.name, response: { result: turn.text } } }] };
  const pictures = turn.images?.map((image) => ({ inlineData: { mimeType: image.type, data: image.data } })) ?? [];
  const calls = turn.calls?.map((call) => ({ functionCall: { id: call.id, name: call.name, args: parsed(call.args) }, thoughtSignature: call.signature })) ?? [];
  return { role: turn.role === "user" ? "user" : "model", parts: [...(turn.text ? [{ text: turn.text }] : []), ...pictures, ...calls] };
};

const geminiBody = (asked) => ({
  systemInstruction: asked.system ? { parts: [{ text: asked.system }] } : undefined,
  contents: asked.turns.map(geminiTurn),
  generationConfig: some({ temperature: asked.temperature, topP: asked.top_p, maxOutputTokens: asked.max_tokens, seed: asked.seed, stopSequences: asked.stop }),
  tools: asked.tools && [{ functionDeclarations: asked.tools.map(({ name, description, parameters }) => ({ name, description, parametersJsonSchema: parameters })) }],
});

function readGemini({ error, candidates: [candidate] = [], usageMetadata: usage }, took) {
  for (const part of candidate?.content?.parts ?? []) {
    const call = part.functionCall;
    if (call) took({ call: { id: call.id, name: call.name, args: JSON.stringify(call.args ?? {}), signature: part.thoughtSignature } });
    else took(part.thought ? { thought: part.text } : { text: part.text });
  }
  took({ error, end: candidate?.finishReason, input: usage?.promptTokenCount, output: usage?.candidatesTokenCount });
}

const responsesTurn = (turn) => {
  const text = (words) => ({ type: "input_text", text: words });
  if (turn.role === "tool") return [{ type: "function_call_output", call_id: turn.call, output: turn.text }];
  if (turn.role === "user") return [{ role: "user", content: parts(turn, text, (image) => ({ type: "input_image", image_url: dataUrl(image) })) }];
  return [...(turn.text ? [{ role: "assistant", content: [{ type: "output_text", text: turn.text }] }] : []), ...turn.calls.map(({ id, name, args }) => ({ type: "function_call", call_id: id, name, arguments: args || "{}" }))];
};

const responsesBody = (asked) => ({
  model: asked.model,
  instructions: asked.system,
  input: asked.turns.flatMap(responsesTurn),
  stream: asked.stream,
  store: false,
  temperature: asked.temperature,
  top_p: asked.top_p,
  max_output_tokens: asked.max_tokens,
  tools: asked.tools?.map((tool) => ({ type: "function", ...tool })),
});

function readResponses({ type = "", error, delta, item, response, ...event }, took) {
  const called = (one) => one?.type === "function_call" && took({ call: { id: one.call_id, name: one.name, args: one.arguments } });
  if (type === "error") took({ error: error ?? event });
  if (type === "response.output_text.delta") took({ text: delta });
  if (/^response\.reasoning.*\.delta$/.test(type)) took({ thought: delta });
  if (type === "response.output_item.done") called(item);
  const whole = event.object === "response" ? { error, ...event } : /completed|incomplete|failed/.test(type) ? response : null;
  if (!whole) return;
  if (!type) for (const one of whole.output) called(one) || one.content?.forEach((part) => took({ text: part.text }));
  took({ error: whole.error, end: whole.incomplete_details?.reason ?? whole.status, input: whole.usage?.input_tokens, output: whole.usage?.output_tokens });
}

/** Python: import, client, method, what is printed of a part, of a whole answer. `K` is the key, `B` the address. */
const openai = (where, method, part, whole) => ["from openai import OpenAI", `OpenAI(base_url="B${where}", api_key="K")`, method, part, whole];
const chat = (where) => openai(where, "chat.completions.create", 'part.choices and part.choices[0].delta.content or ""', "answer.choices[0].message.content");

export const FACES = {
  openai: { short: "OpenAI", long: "OpenAI chat completions", path: () => "v1/chat/completions", body: chatBody, read: readChat, python: chat("/v1") },
  responses: { short: "Responses", long: "OpenAI Responses", path: () => "v1/responses", body: responsesBody, read: readResponses, python: openai("/v1", "responses.create", 'part.delta if part.type == "response.output_text.delta" else ""', "answer.output_text") },
  anthropic: {
    short: "Anthropic",
    long: "Anthropic Messages",
    path: () => "v1/messages",
    body: anthropicBody,
    read: readAnthropic,
    python: ["from anthropic import Anthropic", 'Anthropic(base_url="B", api_key="K")', "messages.create", 'getattr(part.delta, "text", "") if part.type == "content_block_delta" else ""', "answer.content[0].text"],
  },
  ollama: { short: "Ollama", long: "Ollama chat", path: () => "ollama/api/chat", body: ollamaBody, read: readOllama, lines: true, python: ["from ollama import Client", 'Client(host="B/ollama", headers={"Authorization": "Bearer K"})', "chat", "part.message.content", "answer.message.content"] },
  gemini: {
    short: "Gemini",
    long: "Gemini generateContent",
    path: ({ model, stream }) => `v1beta/models/${encodeURIComponent(model)}:${stream ? "streamGenerateContent?alt=sse" : "generateContent"}`,
    body: geminiBody,
    read: readGemini,
    python: ["from google import genai", 'genai.Client(api_key="K", http_options={"base_url": "B/gemini"})', "models.generate_content", 'part.text or ""', "answer.text"],
  },
  api: { short: "own", long: "this gateway's own chat", path: (_, prefix) => `${prefix}/chat`.replace(/^\//, ""), body: chatBody, read: readChat, python: chat("/P") },
};

export const faceOf = (name) => FACES[name]?.short ?? name;

// the same outside of this page

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
export function curl(path, body, key) {
  const login = key ? ` \\\n  -H 'Authorization: Bearer ${key}'` : "";
  return `curl -N ${quoted(`${base}/${path}`)} -H 'Content-Type: application/json'${login} \\\n  -d ${quoted(JSON.stringify(body))}`;
}
export const hello = (model = "demo") => curl("v1/chat/completions", { model, messages: [{ role: "user", content: "Hello!" }], stream: true });

/** A value as Python writes it. */
function py(value, pad = "") {
  if (value === null || typeof value === "boolean") return { null: "None", true: "True", false: "False" }[value];
  if (typeof value !== "object") return JSON.stringify(value);
  const deeper = `${pad}    `;
  const inside = Array.isArray(value) ? value.map((one) => py(one, deeper)) : Object.entries(value).map(([key, one]) => `${JSON.stringify(key)}: ${py(one, deeper)}`);
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  const short = inside.join(", ");
  return short.length < 60 ? open + short + close : `${open}\n${inside.map((one) => `${deeper}${one},\n`).join("")}${pad}${close}`;
}

/** The request as a program with its vendor's own library. */
export function python(face, { model, stream }, body, key, prefix) {
  const [imported, client, method, part, whole] = FACES[face].python;
  let { stream_options: _, ...given } = JSON.parse(JSON.stringify(body));
  let call = method;
  if (face === "gemini") {
    const { contents, systemInstruction, generationConfig, ...others } = given;
    given = { model, contents, config: some({ ...generationConfig, system_instruction: systemInstruction?.parts[0].text, ...others }) };
    if (stream) call += "_stream";
  }
  const args = Object.entries(given).map(([name, value]) => (value === undefined ? "" : `    ${name}=${py(value, "    ")},\n`)).join("");
  const made = client.replace("K", key).replace("B", base).replace("/P", `/${prefix}`);
  const use = stream ? `for part in client.${call}(\n${args}):\n    print(${part}, end="", flush=True)` : `answer = client.${call}(\n${args})\nprint(${whole})`;
  return `${imported}\n\nclient = ${made}\n${use}\n`;
}
