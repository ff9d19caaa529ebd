// Ollama's client for JavaScript. npm install ollama
import { Ollama } from "ollama";

const ollama = new Ollama({ host: "http://127.0.0.1:8080/ollama" });
const messages = [{ role: "user", content: "Name a river." }];

const answer = await ollama.chat({ model: "demo", messages });
console.log(answer.message.content);

for await (const part of await ollama.chat({ model: "demo", messages, stream: true }))
  process.stdout.write(part.message.content);
console.log();

// "nomic-embed-text" stands for an embedding model of yours.
const { embeddings } = await ollama.embed({ model: "nomic-embed-text", input: ["one text", "another"] });
console.log(embeddings.length);
