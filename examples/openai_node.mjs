// OpenAI's client for JavaScript: whole, streamed, a loop of tools. npm install openai
import OpenAI from "openai";

// The gateway holds the keys of the upstreams; the client's own is not looked at, but this library wants one.
const client = new OpenAI({ baseURL: "http://127.0.0.1:8080/v1", apiKey: "unused" });
const messages = [{ role: "user", content: "What is the weather in Paris?" }];

const answer = await client.chat.completions.create({ model: "demo", messages });
console.log(answer.choices[0].message.content);

const stream = await client.chat.completions.create({ model: "demo", messages, stream: true });
for await (const chunk of stream) process.stdout.write(chunk.choices[0]?.delta?.content ?? "");
console.log();

const response = await client.responses.create({ model: "demo", input: "Name a river." });
console.log(response.output_text);

// "llama3.2" stands for a model of yours that can call tools; "demo" only echoes.
const runner = client.chat.completions.runTools({
  model: "llama3.2",
  messages,
  tools: [
    {
      type: "function",
      function: {
        name: "get_weather",
        description: "The weather of a city.",
        parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
        parse: JSON.parse,
        function: ({ city }) => `It is sunny in ${city}.`,
      },
    },
  ],
});
console.log(await runner.finalContent());
