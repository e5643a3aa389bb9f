// The table button: chart and table change places, and the choice outlives a refresh.
const isShown = () => document.querySelector(".main-panel").classList.contains("tabled");

function show(isTable) {
  document.querySelector(".main-panel").classList.toggle("tabled", isTable);
  document.getElementById("chart-table").classList.toggle("shown", isTable);
  const button = document.querySelector("[data-chart-table]");
  button?.setAttribute("aria-pressed", String(isTable));
}

export function startChartTable() {
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-chart-table]")) show(!isShown());
  });
  document.addEventListener("figures", () => show(isShown()));
}
