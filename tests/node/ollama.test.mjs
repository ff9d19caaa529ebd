// Ollama's client for JavaScript over every kind of upstream.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Ollama } from "ollama";
import { ASK, collect, GATEWAY, isReply, KINDS, SCHEMA, textOf, WEATHER } from "./kit.mjs";

const ollama = new Ollama({ host: `${GATEWAY}/ollama` });

for (const model of KINDS) {
  test(`${model}: chat and generate, whole and in lines, one text`, async () => {
    assert.equal((await ollama.chat({ model, messages: ASK })).message.content, textOf(model));
    const lines = await collect(await ollama.chat({ model, messages: ASK, stream: true }));
    assert.equal(lines.map((line) => line.message.content).join(""), textOf(model));
    assert.equal(lines.at(-1).done_reason, "stop");
    assert.equal((await ollama.generate({ model, prompt: "hi" })).response, textOf(model));
    const pieces = await collect(await ollama.generate({ model, prompt: "hi", stream: true }));
    assert.equal(pieces.map((piece) => piece.response).join(""), textOf(model));
  });

  test(`${model}: a tool, its result, a format`, async () => {
    const tools = [{ type: "function", function: WEATHER }];
    const { message } = await ollama.chat({ model, messages: ASK, tools });
    assert.deepEqual(message.tool_calls[0].function.arguments, { city: "Paris" });
    const result = { role: "tool", tool_name: "get_weather", content: "sunny" };
    const after = await ollama.chat({ model, messages: [...ASK, message, result], tools });
    assert.equal(after.message.content, textOf(model));
    const shaped = await ollama.chat({ model, messages: ASK, options: { temperature: 0 }, format: SCHEMA });
    assert.ok(isReply(JSON.parse(shaped.message.content), model));
  });
}

test("list, show, embed, errors", async () => {
  const names = (await ollama.list()).models.map((model) => model.model);
  assert.ok(KINDS.every((kind) => names.includes(kind)));
  assert.ok((await ollama.show({ model: "ollama" })).capabilities.includes("completion"));
  assert.equal((await ollama.embed({ model: "nomic-embed-text", input: ["a", "b"] })).embeddings.length, 2);
  await assert.rejects(ollama.chat({ model: "nobody", messages: ASK }), { status_code: 404 });
});
