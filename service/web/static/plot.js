// Equity, result and exposure on one axis of time.
// Numbers come as text and become floats only to be drawn.

const PANELS = [
  { key: "equity", title: "Equity", color: "--accent", fill: "--accent-soft", height: 130 },
  { key: "realized", title: "Net result", color: "--violet", fill: "--violet-soft", height: 96 },
  { key: "exposure", title: "Exposure", color: "--info", fill: "--info-soft", height: 110 },
];
const REDRAW_MS = 2000; // the line moves slowly; the figures above it do not wait

let charts = [];
let look = "";
let isLoading = false;
let drawnAt = -REDRAW_MS;
let timer = 0;

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const money = (value) =>
  value == null ? "–" : value.toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 }).replace("-", "−");
const pad = (number) => String(number).padStart(2, "0");
const clock = (seconds, withDay) => {
  const at = new Date(seconds * 1000);
  const day = `${at.getUTCFullYear()}-${pad(at.getUTCMonth() + 1)}-${pad(at.getUTCDate())}`;
  const time = `${pad(at.getUTCHours())}:${pad(at.getUTCMinutes())}:${pad(at.getUTCSeconds())}`;
  return withDay ? `${day} ${time}` : time;
};

export function redrawPlot() {
  if (timer) return;
  timer = setTimeout(() => {
    timer = 0;
    drawPlot();
  }, Math.max(0, drawnAt + REDRAW_MS - performance.now()));
}

export async function drawPlot() {
  const place = document.getElementById("plot");
  if (!place || isLoading) return;
  isLoading = true;
  drawnAt = performance.now();
  const asOf = new URLSearchParams(location.search).get("as_of");
  const url = place.dataset.src + (asOf ? `?as_of=${encodeURIComponent(asOf)}` : "");
  try {
    const response = await fetch(url);
    if (response.ok) show(place, await response.json());
  } catch {
    // The service is away: the line stays as it is, the badge says so.
  } finally {
    isLoading = false;
  }
}

function show(place, told) {
  const note = document.getElementById("plot-note");
  if (note) note.textContent = told.whole ? "" : `reading the log, position ${told.upto}`;
  if (!told.whole) redrawPlot();
  if (told.time.length < 2) return sayEmpty(place);
  const data = PANELS.map((panel) => [told.time, told[panel.key].map(Number)]);
  const now = color("--ink") + place.clientWidth;
  if (charts.length && look === now && place.contains(charts[0].root)) {
    charts.forEach((chart, i) => chart.setData(data[i]));
  } else {
    clear(place);
    look = now;
    charts = PANELS.map((panel, i) => one(place, panel, data[i], i === PANELS.length - 1));
  }
  place.dataset.points = told.time.length;
  read(told.time.length - 1);
}

function clear(place) {
  for (const chart of charts) chart.destroy();
  charts = [];
  place.replaceChildren();
}

function sayEmpty(place) {
  clear(place);
  const empty = document.createElement("p");
  empty.className = "empty";
  empty.textContent = "The line begins with the first movements of money.";
  place.append(empty);
}

// What the lines say under the cursor; at the end without one.
function read(index) {
  const place = document.getElementById("readout");
  if (!place || !charts.length) return;
  const parts = PANELS.map((panel, i) => {
    const part = document.createElement("span");
    part.className = panel.key === "realized" ? "result" : panel.key;
    const value = document.createElement("b");
    value.className = "amt";
    const number = charts[i].data[1][index];
    value.textContent = (panel.key === "realized" && number > 0 ? "+" : "") + money(number);
    part.append(document.createElement("i"), `${panel.title} `, value);
    return part;
  });
  const time = document.createElement("span");
  time.textContent = `${clock(charts[0].data[0][index], true)} UTC`;
  place.replaceChildren(...parts, time);
}

function one(place, panel, data, isLast) {
  const box = document.createElement("div");
  box.className = "one";
  const name = document.createElement("span");
  name.className = "name";
  name.textContent = panel.title;
  box.append(name);
  place.append(box);
  return new uPlot(options(place.clientWidth - 24, panel, isLast), data, box);
}

function options(width, panel, isLast) {
  const axis = {
    stroke: color("--soft"),
    grid: { stroke: color("--line"), width: 1 },
    ticks: { show: false },
    font: "12px Inter, 'Segoe UI', 'Liberation Sans', Arial, sans-serif",
  };
  return {
    width: Math.max(width, 200),
    height: panel.height,
    padding: [8, 10, isLast ? 0 : 7, 0],
    legend: { show: false },
    scales: { x: { time: true }, y: { range: (_, low, high) => around(panel, low, high) } },
    axes: [
      { ...axis, show: isLast, size: 26, space: 110, values: (_, ticks) => ticks.map((t) => clock(t)) },
      { ...axis, size: 62, space: 34, values: (_, ticks) => ticks.map((t) => t.toLocaleString("en").replace("-", "−")) },
    ],
    series: [
      {},
      {
        stroke: color(panel.color),
        fill: color(panel.fill),
        width: 1.8,
        paths: uPlot.paths.stepped({ align: 1 }),
        points: { show: false },
        fillTo: panel.key === "equity" ? undefined : 0,
      },
    ],
    cursor: { drag: { x: true, y: false }, sync: { key: "money", setSeries: false }, y: false },
    hooks: {
      setCursor: [
        (chart) => {
          const last = chart.data[0].length - 1;
          read(chart.cursor.idx == null ? last : chart.cursor.idx);
        },
      ],
    },
  };
}

// Some air around the line; result and exposure always show their zero.
function around(panel, low, high) {
  if (panel.key !== "equity") {
    low = Math.min(low, 0);
    high = Math.max(high, 0);
  }
  const air = (high - low || 1) * 0.12;
  return [low === 0 ? 0 : low - air, high === 0 ? 0 : high + air];
}

addEventListener("resize", redrawPlot);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawPlot);
