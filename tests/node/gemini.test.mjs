// Google's client for JavaScript over every kind of upstream.
import { ApiError, FunctionCallingConfigMode, GoogleGenAI } from "@google/genai";
import assert from "node:assert/strict";
import { test } from "node:test";
import { collect, GATEWAY, getWeather, isReply, KINDS, SCHEMA, textOf, WEATHER } from "./kit.mjs";

// Below /gemini, and at the root in the other version of the API.
const clients = {
  v1beta: new GoogleGenAI({ apiKey: "unused", httpOptions: { baseUrl: `${GATEWAY}/gemini` } }),
  v1: new GoogleGenAI({ apiKey: "unused", apiVersion: "v1", httpOptions: { baseUrl: GATEWAY } }),
};
const client = clients.v1beta;
const { parameters, ...about } = WEATHER;
const declaration = { ...about, parametersJsonSchema: parameters };

for (const model of KINDS) {
  for (const [version, { models }] of Object.entries(clients)) {
    test(`${model}: whole and streamed, one text (${version})`, async () => {
      const whole = await models.generateContent({ model, contents: "hi" });
      assert.equal(whole.text, textOf(model));
      assert.equal(whole.candidates[0].finishReason, "STOP");
      assert.equal(whole.modelVersion, model);
      const chunks = await collect(await models.generateContentStream({ model, contents: "hi" }));
      assert.equal(chunks.map((chunk) => chunk.text ?? "").join(""), textOf(model));
      assert.equal(chunks.at(-1).candidates[0].finishReason, "STOP");
      assert.ok(chunks.at(-1).usageMetadata.candidatesTokenCount > 0);
      assert.ok((await models.countTokens({ model, contents: "hi" })).totalTokens > 0);
    });
  }

  test(`${model}: an answer in a schema`, async () => {
    const config = { responseMimeType: "application/json", responseJsonSchema: SCHEMA, temperature: 0 };
    const { text } = await client.models.generateContent({ model, contents: "hi", config });
    assert.ok(isReply(JSON.parse(text), model));
  });

  if (model === "llamacpp") continue; // a random model calls nothing

  for (const stream of [false, true]) {
    test(`${model}: a chat calls a function, ${stream ? "streamed" : "whole"}, and ends with the answer to it`, async () => {
      const config = {
        tools: [{ functionDeclarations: [declaration] }],
        toolConfig: { functionCallingConfig: { mode: FunctionCallingConfigMode.AUTO } },
        thinkingConfig: { includeThoughts: true, thinkingBudget: 1024 },
      };
      const chat = client.chats.create({ model, config });
      const say = async (message) =>
        stream ? collect(await chat.sendMessageStream({ message })) : [await chat.sendMessage({ message })];
      const [call] = (await say("Weather in Paris?")).flatMap((chunk) => chunk.functionCalls ?? []);
      assert.deepEqual([call.name, call.args], ["get_weather", { city: "Paris" }]);
      const { id, name } = call;
      const result = { functionResponse: { id, name, response: { output: getWeather(call.args) } } };
      const said = (await say([result])).map((chunk) => chunk.text ?? "").join("");
      assert.equal(said, textOf(model));
      assert.ok(chat.getHistory(true).length >= 4);
    });
  }
}

test("models are listed in pages, an unknown one is an ApiError", async () => {
  const listed = await collect(await client.models.list({ config: { pageSize: 2 } }));
  assert.ok(listed.some(({ name }) => name === "models/gemini"));
  assert.equal((await client.models.get({ model: "gemini" })).name, "models/gemini");
  const unknown = client.models.generateContent({ model: "nobody", contents: "hi" });
  await assert.rejects(unknown, (error) => error instanceof ApiError && error.status === 404);
});
