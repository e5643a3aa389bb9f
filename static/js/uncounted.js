// The page "Not counted": calendar, graph and live count; every choice is a load of the page.
import { startCalendar } from "./calendar.js";
import { startChartTable } from "./chart-table.js";
import { startChart } from "./chart.js";
import { startLive } from "./live.js";

startCalendar();
startChartTable();
startChart();
startLive();
