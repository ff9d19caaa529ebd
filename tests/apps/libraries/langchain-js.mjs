// LangChain.js: a call of a bound function, its result, and the answer after it, whole and streamed, in four dialects.
import { createRequire } from "node:module";

const { WAY, MODEL, TASK, GATEWAY, OPENAI_BASE_URL, OLLAMA_HOST, PACKAGES } = process.env;
const require = createRequire(PACKAGES);
const schema = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
const tools = [{ type: "function", function: { name: "get_weather", description: "d", parameters: schema } }];

function model() {
  if (WAY === "anthropic") {
    const { ChatAnthropic } = require("@langchain/anthropic");
    return new ChatAnthropic({ model: MODEL, anthropicApiUrl: GATEWAY, apiKey: "k", maxTokens: 500 });
  }
  if (WAY === "ollama") {
    const { ChatOllama } = require("@langchain/ollama");
    return new ChatOllama({ model: MODEL, baseUrl: OLLAMA_HOST });
  }
  const { ChatOpenAI } = require("@langchain/openai");
  const configuration = { baseURL: OPENAI_BASE_URL };
  return new ChatOpenAI({ model: MODEL, apiKey: "k", configuration, useResponsesApi: WAY === "responses" });
}

const { HumanMessage, ToolMessage } = require("@langchain/core/messages");
const bound = model().bindTools(tools);
const messages = [new HumanMessage(TASK)];
const called = await bound.invoke(messages);
messages.push(called, ...called.tool_calls.map((call) => new ToolMessage({ content: "rain", tool_call_id: call.id })));
const whole = (await bound.invoke(messages)).text;
let streamed = "";
for await (const piece of await bound.stream(messages)) streamed += piece.text;
if (streamed !== whole) throw new Error(`streamed ${streamed}, whole ${whole}`);
console.log(whole);
