/** /docs: the address by which this page was reached, and a filter. */
for (const one of document.querySelectorAll(".address")) one.textContent = new URL(".", location.href).href.replace(/\/$/, "");

const field = document.getElementById("filter");
const sections = [...document.querySelectorAll("section")].map((section) => [section, [...section.querySelectorAll("details")].map((one) => [one, one.textContent.toLowerCase()])]);
field.hidden = false;
field.addEventListener("input", () => {
  const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const [section, all] of sections) {
    for (const [one, text] of all) one.hidden = !words.every((word) => text.includes(word));
    section.hidden = all.length > 0 && all.every(([one]) => one.hidden);
  }
});
// A link to what is folded opens it.
addEventListener("hashchange", () => document.getElementById(location.hash.slice(1))?.closest("details")?.setAttribute("open", ""));
