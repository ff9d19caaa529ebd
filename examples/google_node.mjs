// Google's client for JavaScript. npm install @google/genai
import { GoogleGenAI } from "@google/genai";

// The gateway holds the keys; this library only wants to have one.
const client = new GoogleGenAI({ apiKey: "unused", httpOptions: { baseUrl: "http://127.0.0.1:8080/gemini" } });
const question = { model: "demo", contents: "What is the weather in Paris?" };

console.log((await client.models.generateContent(question)).text);

for await (const chunk of await client.models.generateContentStream(question)) {
  process.stdout.write(chunk.text ?? "");
}
console.log();
