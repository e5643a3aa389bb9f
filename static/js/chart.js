// The overview's chart. Every word and number comes from the server, ready to print; this draws and points.
import { hideTip, showTip } from "./chart-tip.js";
import { go } from "./soft.js";

const PHONE = matchMedia("(max-width: 639px)");
const STILL = matchMedia("(prefers-reduced-motion: reduce)");
const DRAWN_IN = 240;

let chart = null;
let data = null;
let pointed = null; // index under the pointer, finger or arrow keys

const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const canvas = () => document.getElementById("chart");
const read = () => JSON.parse(document.getElementById("chart-data")?.textContent || "null");

function fill(context) {
  const { chartArea, ctx } = context.chart;
  if (!chartArea) return "transparent"; // before the first layout
  const gradient = ctx.createLinearGradient(0, chartArea.top, 0, chartArea.bottom);
  const colour = token("--chart-fill");
  gradient.addColorStop(0, colour);
  gradient.addColorStop(1, `${colour.slice(0, 7)}00`);
  return gradient;
}

const isAlone = (index) => data.values[index - 1] == null && data.values[index + 1] == null;

function radius({ dataIndex }) {
  if (dataIndex === pointed) return 4.5;
  if (dataIndex === data.running) return 3.5;
  return isAlone(dataIndex) ? 2.5 : 0;
}

function datasets() {
  const current = {
    data: data.values,
    borderColor: token("--chart-1"),
    borderWidth: 2,
    backgroundColor: fill,
    fill: "origin",
    cubicInterpolationMode: "monotone",
    segment: { borderDash: ({ p1DataIndex }) => (p1DataIndex === data.running ? [4, 4] : undefined) },
    pointRadius: radius,
    pointHoverRadius: radius,
    pointBackgroundColor: ({ dataIndex }) => token(dataIndex === data.running ? "--surface" : "--chart-1"),
    pointBorderColor: ({ dataIndex }) => token(dataIndex === data.running ? "--chart-1" : "--surface"),
    pointBorderWidth: 2,
    clip: 6,
  };
  if (!data.before) return [current];
  const before = {
    data: data.before.values,
    borderColor: token("--chart-compare"),
    borderWidth: 1.5,
    cubicInterpolationMode: "monotone",
    pointRadius: ({ dataIndex }) => (dataIndex === pointed ? 3 : 0),
    pointHoverRadius: ({ dataIndex }) => (dataIndex === pointed ? 3 : 0),
    pointBackgroundColor: token("--chart-compare"),
    pointBorderColor: token("--surface"),
  };
  return [current, before];
}

function scales() {
  const label = { color: token("--text-3"), font: { size: 12, family: token("--font") } };
  const labelled = new Set(PHONE.matches ? data.ticks.phone : data.ticks.wide);
  return {
    x: {
      border: { display: true, color: token("--chart-grid") },
      grid: { display: false },
      ticks: { ...label, autoSkip: false, maxRotation: 0, padding: 6, callback: (_, index) => (labelled.has(index) ? data.labels[index] : "") },
    },
    y: {
      min: 0,
      max: data.axis.max,
      border: { display: false },
      grid: { color: token("--chart-grid"), drawTicks: false },
      ticks: { ...label, stepSize: data.axis.step, padding: 10, callback: (_, index) => data.axis.labels[index] },
    },
  };
}

const pointer = {
  id: "pointer",
  beforeDatasetsDraw({ ctx, chartArea, scales: { x } }) {
    if (pointed === null) return;
    const at = x.getPixelForValue(pointed);
    ctx.save();
    ctx.strokeStyle = token("--border-control");
    ctx.lineWidth = 1;
    ctx.beginPath();
    ctx.moveTo(at, chartArea.top);
    ctx.lineTo(at, chartArea.bottom);
    ctx.stroke();
    ctx.restore();
  },
};

function point(index) {
  pointed = index;
  chart.update("none");
  index === null ? hideTip() : showTip(chart, data, index);
}

function onMove(event) {
  const x = chart.scales.x.getValueForPixel(event.offsetX);
  const index = Math.max(0, Math.min(data.labels.length - 1, Math.round(x)));
  if (index !== pointed) point(index);
}

function onKey(event) {
  const last = data.labels.length - 1;
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (step) {
    event.preventDefault();
    point(pointed === null ? (step > 0 ? 0 : last) : Math.max(0, Math.min(last, pointed + step)));
  } else if (event.key === "Enter" && pointed !== null && data.urls[pointed]) {
    go(data.urls[pointed]);
  } else if (event.key === "Escape" && pointed !== null) {
    event.stopPropagation();
    point(null);
  }
}

function listen() {
  const target = canvas();
  target.addEventListener("pointermove", onMove);
  target.addEventListener("pointerdown", onMove);
  target.addEventListener("pointerleave", () => document.activeElement === target || point(null));
  target.addEventListener("blur", () => point(null));
  target.addEventListener("keydown", onKey);
  target.addEventListener("dblclick", () => data.urls[pointed] && go(data.urls[pointed]));
}

function make() {
  chart = new Chart(canvas(), {
    type: "line",
    data: { labels: data.labels, datasets: datasets() },
    options: {
      responsive: true,
      maintainAspectRatio: false,
      animation: STILL.matches ? false : { duration: DRAWN_IN },
      events: [], // the tooltip is ours: it must work for arrow keys too
      layout: { padding: { top: 10, right: 8 } },
      scales: scales(),
      plugins: { legend: { display: false }, tooltip: { enabled: false } },
    },
    plugins: [pointer],
  });
  listen();
}

function redraw(mode) {
  chart.data = { labels: data.labels, datasets: datasets() };
  chart.options.scales = scales();
  chart.update(mode);
}

/** Draws what the page says now; `isQuiet` is a refresh by itself, which moves nothing that did not change. */
function drawChart(isQuiet = false) {
  data = read();
  canvas().closest(".chart-part").classList.toggle("stateful", !data);
  if (!data) return;
  canvas().setAttribute("aria-label", data.sentence);
  if (!chart) return make();
  if (pointed !== null && pointed >= data.labels.length) pointed = null;
  redraw(isQuiet || STILL.matches ? "none" : undefined);
  pointed === null ? hideTip() : showTip(chart, data, pointed);
}

export function startChart() {
  if (!window.Chart) return document.querySelector("[data-chart-table]")?.click(); // the library did not come: the table has it all
  drawChart();
  document.documentElement.addEventListener("themechange", () => chart && redraw("none"));
  PHONE.addEventListener("change", () => chart && redraw("none"));
  document.addEventListener("figures", (event) => drawChart(event.detail.background));
}
