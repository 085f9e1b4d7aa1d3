import { writeFileSync } from 'node:fs';
import { RULES_FILE, rulesTemplate } from './rights.js';

/** Writes what the chart makes of the rows. */
writeFileSync(RULES_FILE, rulesTemplate());
