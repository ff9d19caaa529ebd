// Anthropic's client for JavaScript over every kind of upstream.
import Anthropic from "@anthropic-ai/sdk";
import { betaTool } from "@anthropic-ai/sdk/helpers/beta/json-schema";
import assert from "node:assert/strict";
import { test } from "node:test";
import { ASK, GATEWAY, getWeather, KINDS, PARAMETERS, textOf } from "./kit.mjs";

const client = new Anthropic({ baseURL: GATEWAY, apiKey: "unused", maxRetries: 0 });
const said = (message) => message.content.map((block) => block.text ?? "").join("");

for (const model of KINDS) {
  const common = { model, max_tokens: 2048, messages: ASK };

  test(`${model}: whole, and by the helper that joins a stream, one text`, async () => {
    assert.equal(said(await client.messages.create(common)), textOf(model));
    let text = "";
    const stream = client.messages.stream(common).on("text", (piece) => (text += piece));
    const final = await stream.finalMessage();
    assert.equal(text, textOf(model));
    assert.equal(said(final), textOf(model));
    assert.equal(final.stop_reason, "end_turn");
    assert.ok(final.usage.output_tokens > 0);
  });

  test(`${model}: the tool runner calls the function and ends with the answer to it`, async () => {
    const asked = [];
    const tool = betaTool({
      name: "get_weather",
      description: "The weather of a city.",
      inputSchema: PARAMETERS,
      run: (given) => (asked.push(given), getWeather(given)),
    });
    const final = await client.beta.messages.toolRunner({ ...common, tools: [tool] });
    assert.deepEqual(asked, [{ city: "Paris" }]);
    assert.equal(said(final), textOf(model));
  });
}

test("tokens are counted, an unknown model is its own error", async () => {
  assert.ok((await client.messages.countTokens({ model: "openai", messages: ASK })).input_tokens > 0);
  const unknown = client.messages.create({ model: "nobody", max_tokens: 9, messages: ASK });
  await assert.rejects(unknown, Anthropic.NotFoundError);
});
