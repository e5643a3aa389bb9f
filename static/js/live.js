// Live visitors, and figures that follow. A tiny question every 1.5 s asks for the time of the last event; only when it
// moved are the figures asked again, and never more often than the server needs: a slow page waits four times its cost.
import { isBusy, refresh } from "./soft.js";

const LOOK_EVERY = 1500;
const HIDDEN_EVERY = 30_000; // the tab's title still counts
const TURN_OVER = 60_000; // hours and days end without an event
const CALM = 4;

const state = { version: "", cost: 0, refreshedAt: 0, answeredAt: null, title: "", timer: 0 };
const clock = (date) => date.toLocaleTimeString("en-GB");

function show(text, isOn) {
  for (const place of document.querySelectorAll("[data-live]")) {
    place.classList.toggle("on", isOn);
    const words = place.querySelector("[data-live-text]");
    if (words.textContent !== text) words.textContent = text;
  }
}

function showPaused() {
  show(state.answeredAt ? `Paused, last at ${clock(state.answeredAt)}` : "Paused", false);
}

async function refreshFigures(version) {
  const began = performance.now();
  await refresh();
  state.version = version;
  state.refreshedAt = performance.now();
  state.cost = state.refreshedAt - began;
}

function isDue(version) {
  if (document.body.dataset.running !== "true" || document.hidden || isBusy()) return false;
  const since = performance.now() - state.refreshedAt;
  return since > CALM * state.cost && (version !== state.version || since > TURN_OVER);
}

async function look() {
  const answer = await fetch(document.body.dataset.now);
  if (!answer.ok || answer.redirected) throw new Error(`${answer.status}`);
  const now = await answer.json();
  state.answeredAt = new Date();
  show(now.text, now.is_on);
  document.title = now.visitors ? `(${now.visitors}) ${state.title}` : state.title;
  if (isDue(now.version)) await refreshFigures(now.version);
}

async function turn() {
  clearTimeout(state.timer);
  try {
    await look();
  } catch {
    showPaused();
  }
  clearTimeout(state.timer);
  state.timer = setTimeout(turn, document.hidden ? HIDDEN_EVERY : LOOK_EVERY);
}

export function startLive() {
  if (!document.body.dataset.now) return;
  state.title = document.title;
  state.version = document.body.dataset.version;
  state.refreshedAt = performance.now();
  document.addEventListener("visibilitychange", () => document.hidden || turn());
  state.timer = setTimeout(turn, LOOK_EVERY);
}
