// The Vercel AI SDK, by its provider for servers that speak OpenAI's dialect, over every kind of upstream.
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, jsonSchema, Output, stepCountIs, streamText, tool } from "ai";
import assert from "node:assert/strict";
import { test } from "node:test";
import { ASK, collect, GATEWAY, getWeather, isReply, KINDS, PARAMETERS, SCHEMA, textOf } from "./kit.mjs";

const gateway = createOpenAICompatible({
  name: "gateway",
  baseURL: `${GATEWAY}/v1`,
  includeUsage: true,
  supportsStructuredOutputs: true,
});
const common = (kind) => ({ model: gateway(kind), messages: ASK, maxRetries: 0 });
const raise = ({ error }) => {
  throw error;
};

for (const kind of KINDS) {
  test(`${kind}: whole and streamed, one text`, async () => {
    const whole = await generateText(common(kind));
    assert.equal(whole.text, textOf(kind));
    assert.ok(whole.usage.outputTokens > 0);
    const stream = streamText({ ...common(kind), onError: raise });
    assert.equal((await collect(stream.textStream)).join(""), textOf(kind));
    assert.equal(await stream.finishReason, "stop");
    assert.ok((await stream.usage).outputTokens > 0);
  });

  test(`${kind}: steps with a tool, whole and streamed`, async () => {
    const asked = [];
    const tools = {
      get_weather: tool({
        description: "The weather of a city.",
        inputSchema: jsonSchema(PARAMETERS),
        execute: (given) => (asked.push(given), getWeather(given)),
      }),
    };
    const steps = { ...common(kind), tools, stopWhen: stepCountIs(3) };
    assert.equal((await generateText(steps)).text, textOf(kind));
    assert.equal(await streamText({ ...steps, onError: raise }).text, textOf(kind));
    assert.deepEqual(asked, [{ city: "Paris" }, { city: "Paris" }]);
  });

  test(`${kind}: an object as answer`, async () => {
    const output = Output.object({ schema: jsonSchema(SCHEMA), name: "reply" });
    assert.ok(isReply((await generateText({ ...common(kind), temperature: 0, output })).output, kind));
  });
}
