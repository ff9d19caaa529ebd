// OpenAI's client for JavaScript over every kind of upstream.
import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI from "openai";
import { ASK, collect, GATEWAY, getWeather, isReply, KINDS, SCHEMA, textOf, WEATHER } from "./kit.mjs";

const client = new OpenAI({ baseURL: `${GATEWAY}/v1`, apiKey: "unused", maxRetries: 0 });

for (const model of KINDS) {
  test(`${model}: whole, streamed, and by the helper that joins a stream, one text`, async () => {
    const whole = await client.chat.completions.create({ model, messages: ASK });
    assert.equal(whole.choices[0].message.content, textOf(model));
    assert.ok(whole.usage.completion_tokens > 0);

    const stream = await client.chat.completions.create({
      model,
      messages: ASK,
      stream: true,
      stream_options: { include_usage: true },
    });
    const chunks = await collect(stream);
    assert.equal(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join(""), textOf(model));
    assert.ok(chunks.at(-1).usage.completion_tokens > 0);

    assert.equal(await client.chat.completions.stream({ model, messages: ASK }).finalContent(), textOf(model));
  });

  test(`${model}: runTools calls the function and ends with the answer to it`, async () => {
    for (const stream of [false, true]) {
      const asked = [];
      const call = (given) => (asked.push(given), getWeather(given));
      const tools = [{ type: "function", function: { ...WEATHER, parse: JSON.parse, function: call } }];
      const runner = client.chat.completions.runTools({ model, messages: ASK, tools, stream });
      assert.equal(await runner.finalContent(), textOf(model));
      assert.deepEqual(asked, [{ city: "Paris" }]);
    }
  });

  test(`${model}: a schema`, async () => {
    const response_format = { type: "json_schema", json_schema: { name: "reply", schema: SCHEMA, strict: true } };
    const got = await client.chat.completions.create({ model, messages: ASK, temperature: 0, response_format });
    assert.ok(isReply(JSON.parse(got.choices[0].message.content), model));
  });

  test(`${model}: responses, whole and streamed`, async () => {
    assert.equal((await client.responses.create({ model, input: "hi" })).output_text, textOf(model));
    const stream = client.responses.stream({ model, input: "hi" });
    let text = "";
    for await (const event of stream) if (event.type === "response.output_text.delta") text += event.delta;
    assert.equal(text, textOf(model));
    assert.equal((await stream.finalResponse()).output_text, textOf(model));
  });
}

test("models, embeddings, errors", async () => {
  const names = (await collect(await client.models.list())).map((model) => model.id);
  assert.ok(KINDS.every((kind) => names.includes(kind)));
  const { data } = await client.embeddings.create({ model: "nomic-embed-text", input: ["a", "b"] });
  assert.deepEqual(data.map((item) => item.embedding.map((x) => x.toFixed(1))), Array(2).fill(["0.6", "0.8"]));
  await assert.rejects(client.chat.completions.create({ model: "nobody", messages: ASK }), OpenAI.NotFoundError);
});
