// What makes a page come alive.  Every page is whole without it.
import { drawPlot, redrawPlot } from "./plot.js";

const REFRESH_MS = 400; // at most so often, however busy the ledger is
const root = document.documentElement;
const $ = (selector, within = document) => within.querySelector(selector);
const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];

// --- one request at a time, the last wish wins -------------------------------

let wanted = null;
let isBusy = false;

async function load(url, { then = () => {}, swap = "outerMorph" } = {}) {
  wanted = { url, then, swap };
  if (isBusy) return;
  isBusy = true;
  try {
    while (wanted) {
      const now = wanted;
      wanted = null;
      await htmx.ajax("GET", now.url, { target: "#page", select: "#page", swap: now.swap });
      if (!$("#page main, #page > *")) {
        location.reload(); // an error, or the login page: let it be seen whole
        return;
      }
      now.then();
      mark(row);
    }
  } finally {
    isBusy = false;
  }
}

const here = () => location.pathname + location.search;
const isPast = () => new URLSearchParams(location.search).has("as_of");

// --- live --------------------------------------------------------------------

let shownPosition = Number($("#page")?.dataset.position || 0);
let refreshedAt = 0;
let timer = 0;
let news = null;

function follow() {
  const badge = $("#badge[data-live]");
  if (!badge || !window.EventSource) return;
  news = new EventSource("/live");
  news.onopen = () => badge.classList.replace("off", "on") || badge.classList.add("on");
  news.onerror = () => {
    badge.classList.remove("on");
    badge.classList.add("off");
    $("[data-lag]", badge).textContent = "not connected, trying again";
  };
  news.onmessage = (message) => {
    const told = JSON.parse(message.data);
    $("b", badge).textContent = `Position ${told.position}`;
    $("[data-lag]", badge).textContent = told.lag ? `${told.lag} behind` : "live";
    badge.dataset.position = told.position;
    const slider = $("#slider");
    if (slider && !isPast()) {
      slider.max = told.position;
      slider.value = told.position;
    }
    if (told.position !== shownPosition) refresh(told.position);
  };
}

function refresh(position) {
  if (timer || isPast()) return;
  const wait = Math.max(0, refreshedAt + REFRESH_MS - performance.now());
  timer = setTimeout(() => {
    timer = 0;
    if (isTyping() && $("#page").contains(document.activeElement)) return; // not under the fingers
    refreshedAt = performance.now();
    shownPosition = position;
    load(here(), { then: () => redrawPlot() });
  }, wait);
}

// --- time travel ---------------------------------------------------------------

function travel(position) {
  const bar = $("#travel");
  if (!bar) return;
  const head = Number(bar.dataset.head);
  const to = Math.max(0, Math.min(head, position));
  $("#slider").value = to;
  const label = $("[data-position]", bar);
  if (label) label.textContent = to;
  const url = new URL(location.href);
  url.searchParams.set("as_of", to);
  url.searchParams.delete("cursor");
  if (!isPast()) {
    news?.close(); // nothing is live from here on
  }
  history.replaceState(null, "", url);
  for (const link of $$("#nav a")) {
    const target = new URL(link.href);
    target.searchParams.set("as_of", to);
    link.href = target.pathname + target.search;
  }
  // Another moment is another page: to replace it is quicker than to compare.
  const swap = $("#plot") ? "outerMorph" : "outerHTML";
  load(url.pathname + url.search, { then: arrived, swap });
}

function arrived() {
  const page = $("#page");
  const bar = $("#travel");
  if (!bar) return;
  const at = $("[data-at]", bar);
  if (at) at.textContent = page.dataset.at;
  const field = $("#as-of");
  if (field) field.value = page.dataset.position;
  redrawPlot();
  if (bar.classList.contains("travel") && isPast() && !isDragging) location.reload();
}

let isDragging = false;

document.addEventListener("input", (event) => {
  if (event.target.id !== "slider") return;
  isDragging = true;
  travel(Number(event.target.value));
});
document.addEventListener("change", (event) => {
  if (event.target.id === "slider") {
    isDragging = false;
    const bar = $("#travel");
    if (bar.classList.contains("travel") && isPast()) location.reload();
    return;
  }
  const form = event.target.closest("form[data-auto]");
  if (form) submit(form);
});
document.addEventListener("submit", (event) => {
  const form = event.target;
  for (const field of $$("input, select", form)) {
    if (form.method === "get" && field.name && !field.value) field.disabled = true; // short URLs
  }
});

function submit(form) {
  form.requestSubmit();
}

// --- rows by keyboard -----------------------------------------------------------

let row = "";

function rows() {
  return $$("#page [data-row]");
}

function mark(id) {
  for (const found of rows()) found.classList.toggle("on", Boolean(id) && found.id === id);
}

function step(by) {
  const all = rows();
  if (!all.length) return;
  const now = all.findIndex((found) => found.id === row);
  const next = all[Math.max(0, Math.min(all.length - 1, now + by))];
  row = next.id;
  mark(row);
  next.scrollIntoView({ block: "nearest" });
}

function openRow() {
  const found = row && document.getElementById(row);
  const link = found && $("a[href]", found);
  if (link) location.href = link.href;
}

function isTyping() {
  const at = document.activeElement;
  return at && (at.matches("input:not([type=range]), textarea, select") || at.isContentEditable);
}

let isGoing = 0;

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") {
    document.activeElement?.blur();
    row = "";
    mark(row);
    return;
  }
  if (isTyping() || $("dialog[open]")) return;
  if (isGoing && event.key.length === 1) {
    clearTimeout(isGoing);
    isGoing = 0;
    const link = $(`#nav a[data-key="${CSS.escape(event.key)}"]`);
    if (link) location.href = link.href;
    return;
  }
  const position = Number($("#page")?.dataset.position || 0);
  const keys = {
    "/": () => $("#search").select(),
    "?": () => $("#keys").showModal(),
    j: () => step(1),
    k: () => step(-1),
    Enter: openRow,
    g: () => { isGoing = setTimeout(() => { isGoing = 0; }, 1200); },
    "[": () => travel(position - 1),
    "]": () => travel(position + 1),
    l: () => { const back = $("[data-back]"); if (back) location.href = back.href; },
    i: incognito,
    t: theme,
  };
  const act = keys[event.key];
  if (!act) return;
  if (event.key === "Enter" && event.target !== document.body && event.target.id !== "page") return;
  if (event.key !== "Enter" || row) event.preventDefault();
  act();
});

// --- looks ---------------------------------------------------------------------

function theme() {
  const order = ["system", "dark", "light"];
  const now = localStorage.getItem("theme") || "system";
  const next = order[(order.indexOf(now) + 1) % order.length];
  if (next === "system") {
    localStorage.removeItem("theme");
    delete root.dataset.theme;
  } else {
    localStorage.setItem("theme", next);
    root.dataset.theme = next;
  }
  redrawPlot();
}

function incognito() {
  const isOn = root.classList.toggle("incognito");
  localStorage.setItem("incognito", isOn ? "yes" : "no");
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-do], [data-step]");
  if (!button) return;
  if (button.dataset.do === "theme") theme();
  if (button.dataset.do === "incognito") incognito();
  if (button.dataset.do === "help") $("#keys").showModal();
  if (button.dataset.step) travel(Number($("#page").dataset.position) + Number(button.dataset.step));
});

// --- begin ---------------------------------------------------------------------

follow();
drawPlot();
if ($("#travel")) fetch("/audit/warm").catch(() => {});
root.dataset.ready = "yes";
