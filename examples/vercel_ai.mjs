// The Vercel AI SDK. npm install ai @ai-sdk/openai-compatible zod
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";

const gateway = createOpenAICompatible({
  name: "gateway",
  baseURL: "http://127.0.0.1:8080/v1",
  includeUsage: true,
  supportsStructuredOutputs: true,
});

for await (const text of streamText({ model: gateway("demo"), prompt: "Name a river." }).textStream)
  process.stdout.write(text);
console.log();

// "llama3.2" stands for a model of yours that can call tools; "demo" only echoes.
const { text } = await generateText({
  model: gateway("llama3.2"),
  prompt: "What is the weather in Paris?",
  stopWhen: stepCountIs(3),
  tools: {
    get_weather: tool({
      description: "The weather of a city.",
      inputSchema: z.object({ city: z.string() }),
      execute: async ({ city }) => `It is sunny in ${city}.`,
    }),
  },
});
console.log(text);
