import { startCalendar } from "./calendar.js";
import { startChartTable } from "./chart-table.js";
import { startChart } from "./chart.js";
import { startLive } from "./live.js";
import { startSoft } from "./soft.js";

startSoft();
startCalendar();
startChartTable();
startChart();
startLive();
