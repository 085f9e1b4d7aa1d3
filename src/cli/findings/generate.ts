import { writeFileSync } from 'node:fs';
import { CATALOGUE_PAGE, cataloguePage } from './page.js';

/** Writes the page about the catalogue. */
writeFileSync(CATALOGUE_PAGE, cataloguePage());
