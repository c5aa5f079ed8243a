// The equity line.  Numbers come as text and become floats only to be drawn.

let chart = null;
let isLoading = false;
let again = false;

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const money = (value) =>
  value == null ? "–" : value.toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });

export async function drawPlot() {
  const place = document.getElementById("plot");
  if (!place) return;
  if (isLoading) {
    again = true;
    return;
  }
  isLoading = true;
  const asOf = new URLSearchParams(location.search).get("as_of");
  const url = place.dataset.src + (asOf ? `?as_of=${encodeURIComponent(asOf)}` : "");
  try {
    const response = await fetch(url);
    if (response.ok) show(place, await response.json());
  } finally {
    isLoading = false;
  }
  if (again) {
    again = false;
    drawPlot();
  }
}

export const redrawPlot = drawPlot;

function show(place, told) {
  const note = document.getElementById("plot-note");
  if (note) note.textContent = told.whole ? "" : `reading the log, position ${told.upto}`;
  if (!told.whole) setTimeout(drawPlot, 300);
  const data = [told.time, told.equity.map(Number), told.realized.map(Number)];
  if (told.time.length < 2) {
    chart?.destroy();
    chart = null;
    place.innerHTML = "";
    const empty = document.createElement("p");
    empty.className = "empty";
    empty.textContent = "The line begins with the first movements of money.";
    place.append(empty);
    return;
  }
  const look = color("--ink") + place.clientWidth;
  if (chart && chart.look === look) {
    chart.setData(data);
    return;
  }
  chart?.destroy();
  place.innerHTML = "";
  chart = new uPlot(options(place.clientWidth - 24), data, place);
  chart.look = look;
}

function options(width) {
  const stepped = uPlot.paths.stepped({ align: 1 });
  const axis = {
    stroke: color("--soft"),
    grid: { stroke: color("--line"), width: 1 },
    ticks: { show: false },
    font: "12px system-ui, sans-serif",
  };
  return {
    width: Math.max(width, 200),
    height: 250,
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
    scales: { x: { time: true }, result: {} },
    axes: [
      axis,
      { ...axis, size: 70, values: (_, ticks) => ticks.map((t) => t.toLocaleString("en")) },
      { ...axis, scale: "result", side: 1, size: 60, grid: { show: false } },
    ],
    series: [
      { label: "UTC", value: "{YYYY}-{MM}-{DD} {HH}:{mm}:{ss}" },
      {
        label: "Equity (left)",
        stroke: color("--accent"),
        fill: color("--accent-soft"),
        width: 2,
        paths: stepped,
        points: { show: false },
        value: (_, value) => money(value),
      },
      {
        label: "Net result (right)",
        scale: "result",
        stroke: color("--violet"),
        width: 1.5,
        dash: [5, 4],
        paths: stepped,
        points: { show: false },
        value: (_, value) => money(value),
      },
    ],
    cursor: { drag: { x: true, y: false } },
  };
}

addEventListener("resize", () => drawPlot());
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawPlot());
