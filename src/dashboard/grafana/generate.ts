import { writeFileSync } from 'node:fs';
import { dashboardFiles } from './files.js';

/** Writes the dashboards for Grafana into the chart. */
for (const [path, text] of dashboardFiles()) writeFileSync(path, text);
