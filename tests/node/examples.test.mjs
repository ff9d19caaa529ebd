// Every JavaScript example is run as it stands, but for the address.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { GATEWAY, TEXT } from "./kit.mjs";

const ADDRESS = "http://127.0.0.1:8080";
const ECHO = "[demo model: no language model is behind this answer]";
const EXPECTED = {
  "anthropic_node.mjs": [ECHO],
  "google_node.mjs": [ECHO],
  "ollama_node.mjs": [ECHO, "\n2\n"],
  "openai_node.mjs": [ECHO, TEXT],
  "vercel_ai.mjs": [ECHO, TEXT],
};
const examples = join(import.meta.dirname, "..", "..", "examples");
const folder = mkdtempSync(join(tmpdir(), "examples-"));
symlinkSync(join(import.meta.dirname, "node_modules"), join(folder, "node_modules"));
after(() => rmSync(folder, { recursive: true }));

test("every example is known", () => {
  const files = readdirSync(examples).filter((name) => name.endsWith(".mjs"));
  assert.deepEqual(files.sort(), Object.keys(EXPECTED));
});

for (const [name, said] of Object.entries(EXPECTED)) {
  test(name, () => {
    const text = readFileSync(join(examples, name), "utf8");
    assert.ok(text.includes(ADDRESS));
    writeFileSync(join(folder, name), text.replaceAll(ADDRESS, GATEWAY));
    const printed = execFileSync(process.execPath, [join(folder, name)], { encoding: "utf8" });
    for (const words of said) assert.ok(printed.includes(words), printed);
  });
}
