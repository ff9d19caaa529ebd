// Anthropic's client for JavaScript. npm install @anthropic-ai/sdk
import Anthropic from "@anthropic-ai/sdk";

// The base URL is without /v1. The gateway holds the keys; this library only wants to have one.
const client = new Anthropic({ baseURL: "http://127.0.0.1:8080", apiKey: "unused" });
const messages = [{ role: "user", content: "Name a river." }];

const message = await client.messages.create({ model: "demo", max_tokens: 500, messages });
console.log(message.content[0].text);

const stream = client.messages.stream({ model: "demo", max_tokens: 500, messages });
stream.on("text", (text) => process.stdout.write(text));
await stream.finalMessage();
console.log();
