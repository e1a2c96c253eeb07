// The mailbox page. Everything that came in a mail is set as text; only the iframe, which is
// sandboxed and has an origin of its own, shows a mail's HTML.

const LIMIT = 100;
const element = (id) => document.getElementById(id);
const clock = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const calendar = new Intl.DateTimeFormat([], { dateStyle: "medium", timeStyle: "medium" });

let mails = [];
let shown = null;
let view = "html";

async function load() {
  const search = encodeURIComponent(element("search").value.trim());
  const answer = await fetch(`/api/mails?limit=${LIMIT}&search=${search}`);
  const { mails: found, total } = await answer.json();
  mails = found;
  renderList(total);
}

// Waits for the next mail of all, then loads the list again; at most two loads a second.
async function follow() {
  for (;;) {
    try {
      const newest = (await (await fetch("/api/mails?limit=1")).json()).mails[0]?.id ?? "";
      await load();
      await fetch(`/api/mails?limit=1&wait=25&after=${encodeURIComponent(newest)}`);
      await pause(500);
    } catch {
      element("count").textContent = "The stand-in does not answer. Is it still running?";
      await pause(2000);
    }
  }
}

const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

function renderList(total) {
  element("mails").replaceChildren(...mails.map(row));
  element("count").textContent = countOf(total);
  renderEmpty(total);
}

function countOf(total) {
  if (mails.length === 0) return "";
  if (element("search").value.trim()) return `${mails.length} found`;
  const all = `${total} ${total === 1 ? "mail" : "mails"}`;
  return total > mails.length ? `${all}, the newest ${mails.length} shown` : all;
}

function row(mail) {
  const link = make("a");
  link.href = `#${mail.id}`;
  if (mail.id === shown?.id) link.setAttribute("aria-current", "true");
  const time = make("time", clock.format(new Date(mail.received_at)));
  time.dateTime = mail.received_at;
  link.append(make("b", mail.to), time, make("span", mail.subject), make("code", mail.code ?? ""));
  const item = make("li");
  item.append(link);
  return item;
}

function make(tag, text = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  return made;
}

function renderEmpty(total) {
  const box = element("empty");
  box.hidden = mails.length > 0;
  const searching = total > 0;
  document.body.classList.toggle("empty", total === 0);
  box.querySelector("h2").textContent = searching ? "Nobody by that address" : "No mail yet";
  box.querySelector("p").textContent = searching
    ? "No mail in this mailbox went to an address with these letters in it."
    : "Register somebody, and the code arrives here:";
  const example = box.querySelector("pre");
  example.hidden = searching;
  example.textContent =
    "curl http://127.0.0.1:3000/api/auth/register \\\n" +
    "  -H 'Content-Type: application/json' \\\n" +
    `  -d '{"name": "Ada", "email": "ada@example.org",\n` +
    `       "password": "a long pass phrase"}'`;
}

async function open() {
  const id = decodeURIComponent(location.hash.slice(1));
  const answer = id ? await fetch(`/api/mails/${encodeURIComponent(id)}`) : null;
  shown = answer?.ok ? await answer.json() : null;
  element("mail").hidden = shown === null;
  element("unread").hidden = shown !== null || mails.length === 0;
  document.body.classList.toggle("reading", shown !== null);
  document.title = shown ? `${shown.subject} · Mailbox` : "Mailbox";
  for (const link of element("mails").querySelectorAll("a")) {
    link.toggleAttribute("aria-current", link.hash === location.hash);
  }
  if (shown) renderMail();
}

function renderMail() {
  element("subject").textContent = shown.subject;
  element("to").textContent = shown.to;
  element("from").textContent = shown.from;
  element("received").textContent = calendar.format(new Date(shown.received_at));
  element("code").hidden = shown.code === null;
  element("code").querySelector("output").textContent = shown.code ?? "";
  element("code").querySelector("button").textContent = "Copy";
  element("html").src = `/mails/${encodeURIComponent(shown.id)}.html`;
  element("text").replaceChildren(...linked(shown.text || "This mail has no text part."));
  element("request").textContent = JSON.stringify(shown.request, null, 2);
  show(shown.html ? view : "text");
}

// What looks like a link becomes one, and everything else stays text.
function linked(text) {
  return text.split(/(https?:\/\/\S+)/).map((part, index) => (index % 2 ? linkTo(part) : part));
}

function linkTo(url) {
  const link = make("a", url);
  return Object.assign(link, { href: url, target: "_blank", rel: "noreferrer" });
}

function show(chosen) {
  for (const tab of document.querySelectorAll("[role=tab]")) {
    const selected = tab.dataset.view === chosen;
    tab.setAttribute("aria-selected", selected);
    element(tab.dataset.view).hidden = !selected;
  }
}

async function copyCode(event) {
  const button = event.currentTarget;
  // Browsers give the clipboard to https and to localhost only: elsewhere select it at least.
  if (!navigator.clipboard) return getSelection().selectAllChildren(button.previousElementSibling);
  await navigator.clipboard.writeText(shown.code);
  button.textContent = "Copied";
  await pause(1500);
  button.textContent = "Copy";
}

async function clear() {
  if (!confirm("Delete all mails?")) return;
  await fetch("/api/mails", { method: "DELETE" });
  location.hash = "";
  await load();
}

for (const tab of document.querySelectorAll("[role=tab]")) {
  tab.addEventListener("click", () => show((view = tab.dataset.view)));
}
element("code").querySelector("button").addEventListener("click", copyCode);
element("clear").addEventListener("click", clear);
element("search").addEventListener("input", load);
element("back").addEventListener("click", () => (location.hash = ""));
addEventListener("hashchange", open);

follow();
open();
