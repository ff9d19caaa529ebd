// What the tests share: where the gateway is, its models, and what the doubles behind them say.
export const GATEWAY = process.env.GATEWAY;
// Models of these names, at a double of that dialect, and at the real server where it runs.
export const KINDS = ["openai", "ollama", "anthropic", "gemini", ...(process.env.LLAMACPP ? ["llamacpp"] : [])];
export const TEXT = 'Hello from the double: zażółć 漢字 😀\n"done".';
const WORDS = Array.from({ length: 512 }, (_, number) => `w${String(number).padStart(4, "0")}`).join(" ");
/** What a model says to anything. */
export const textOf = (kind) => (kind === "llamacpp" ? WORDS : TEXT);
/** Whether an answer in a schema is right: the doubles say 42, a real server makes up a number. */
export const isReply = ({ answer }, kind) => (kind === "llamacpp" ? Number.isInteger(answer) : answer === 42);
export const ASK = [{ role: "user", content: "hi" }];
export const getWeather = ({ city }) => `sunny in ${city}`;
export const PARAMETERS = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
export const SCHEMA = {
  type: "object",
  properties: { answer: { type: "integer" } },
  required: ["answer"],
  additionalProperties: false,
};
export const WEATHER = { name: "get_weather", description: "The weather of a city.", parameters: PARAMETERS };

/** Everything that an async iterable yields (Array.fromAsync came with Node 22). */
export async function collect(iterable) {
  const found = [];
  for await (const item of iterable) found.push(item);
  return found;
}
