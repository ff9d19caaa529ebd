/** Clients: what to paste into each program, with this gateway's address and a model that it has. */
import { choice, codeBox, enc, fill, h, put, told } from "./dom.js";
import { base } from "./faces.js";
import { api, state } from "./live.js";
import { modelField } from "./names.js";

const GROUPS = { agent: "Agents", chat: "Chat", library: "Libraries" };
let model = "";

export function show(main, { signal, rest }) {
  let chosen = rest[0];
  const place = h("div.panel");
  const picks = h("div.stack");
  const wrong = h("div.stack");
  const both = h("div.master", picks, place);
  fill(main, h("div.head", h("h1", "Clients"), h("p.muted", "Only a base URL changes: ", h("code", base))),
    h("div.bar", h("span.muted", "Model"), modelField(model, (value) => ((model = value), load()))), wrong);
  const load = async () => {
    const got = await told(wrong, signal, api(`clients?url=${enc(base)}&model=${enc(model)}`, { signal }));
    if (!got) return;
    put(wrong);
    const { clients } = got;
    const draw = (id) => {
      chosen = id;
      for (const row of picks.querySelectorAll(".picks")) row.press(id);
      put(place, program(clients.find((one) => one.id === id)));
    };
    put(picks, Object.entries(GROUPS).map(([group, title]) => h("div.stack", h("h3", title), choice(clients.filter((one) => one.group === group).map((one) => [one.id, one.name]), "", draw, "div.picks"))));
    draw(clients.some((one) => one.id === chosen) ? chosen : clients[0].id);
    if (!both.isConnected) main.append(both); // not before: the list would push the rest down
  };
  load();
}

const program = (client) => [
  h("div.head", h("h2", client.name), h("span.chip", `speaks ${client.speaks}`)),
  client.parts.map((part) => h("section.stack", part.title && h("h3", part.title), codeBox(part.text.trimEnd()))),
  client.start && h("section.stack", h("h3", "Start it"), codeBox(client.start)),
  client.parts.some((part) => part.path) && h("p.small.muted", "Or let it be written: ", h("code", `llm-proxy client ${client.id} --write`)),
  client.notes.length > 0 && h("ul.changes.small", client.notes.map((note) => h("li", note))),
  h("p.small.muted", state.session.keys ? "Where a key stands, put your own." : "Where a key stands, anything will do: this gateway asks for none."),
];
