// The chart's tooltip: right of the point, left of it past 60 % of the width.
const GAP = 14;
const TURN = 0.6;

const tip = () => document.getElementById("tip");

function line(kind, label, value) {
  const row = document.createElement("div");
  if (kind) {
    const svg = document.querySelector(`.legend .sample.${kind}`)?.cloneNode(true);
    if (svg) row.append(svg);
  }
  const words = Object.assign(document.createElement("span"), { textContent: label });
  const figure = Object.assign(document.createElement("strong"), { textContent: value });
  row.append(words, figure);
  return row;
}

function fillTip(data, index) {
  const head = Object.assign(document.createElement("b"), { textContent: data.titles[index] });
  const rows = [line("current", data.current, data.texts[index])];
  if (data.before) rows.push(line("compare", data.before.titles[index], data.before.texts[index]));
  if (data.changes[index]) {
    const change = line("", "Change", data.changes[index]);
    change.className = "change-line";
    rows.push(change);
  }
  tip().replaceChildren(head, ...rows);
}

export function showTip(chart, data, index) {
  fillTip(data, index);
  const box = tip();
  box.hidden = false;
  const { left, right, top } = chart.chartArea;
  const x = chart.scales.x.getPixelForValue(index);
  const isLeft = x > left + (right - left) * TURN;
  const wanted = isLeft ? x - box.offsetWidth - GAP : x + GAP;
  const most = chart.width - box.offsetWidth;
  box.style.transform = `translate(${Math.max(0, Math.min(wanted, most))}px, ${top + 8}px)`;
}

export function hideTip() {
  tip().hidden = true;
}
