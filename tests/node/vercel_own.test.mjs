// The Vercel AI SDK by its providers for OpenAI (which asks the Responses API and judges each event strictly) and for
// Anthropic, over every kind of upstream.
import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { generateText, jsonSchema, Output, stepCountIs, streamText, tool } from "ai";
import assert from "node:assert/strict";
import { test } from "node:test";
import { ASK, collect, GATEWAY, getWeather, isReply, KINDS, PARAMETERS, SCHEMA, textOf } from "./kit.mjs";

const PROVIDERS = {
  openai: createOpenAI({ baseURL: `${GATEWAY}/v1`, apiKey: "unused" }),
  anthropic: createAnthropic({ baseURL: `${GATEWAY}/v1`, apiKey: "unused" }),
};
const raise = ({ error }) => {
  throw error;
};

for (const [name, provider] of Object.entries(PROVIDERS))
  for (const kind of KINDS) {
    const common = { model: provider(kind), messages: ASK, maxRetries: 0 };

    test(`${name} to ${kind}: whole and streamed, one text`, async () => {
      const whole = await generateText(common);
      assert.equal(whole.text, textOf(kind));
      assert.ok(whole.usage.outputTokens > 0);
      const stream = streamText({ ...common, onError: raise });
      assert.equal((await collect(stream.textStream)).join(""), textOf(kind));
      assert.equal(await stream.finishReason, "stop");
    });

    test(`${name} to ${kind}: steps with a tool, whole and streamed`, async () => {
      const asked = [];
      const tools = {
        get_weather: tool({
          description: "The weather of a city.",
          inputSchema: jsonSchema(PARAMETERS),
          execute: (given) => (asked.push(given), getWeather(given)),
        }),
      };
      const steps = { ...common, tools, stopWhen: stepCountIs(3) };
      assert.equal((await generateText(steps)).text, textOf(kind));
      assert.equal(await streamText({ ...steps, onError: raise }).text, textOf(kind));
      assert.deepEqual(asked, [{ city: "Paris" }, { city: "Paris" }]);
    });

    test(`${name} to ${kind}: an object as answer`, async () => {
      const output = Output.object({ schema: jsonSchema(SCHEMA), name: "reply" });
      // Else the one for Anthropic asks for a tool, because it does not know the model.
      const providerOptions = { anthropic: { structuredOutputMode: "outputFormat" } };
      const { output: got } = await generateText({ ...common, temperature: 0, output, providerOptions });
      assert.ok(isReply(got, kind));
    });
  }
