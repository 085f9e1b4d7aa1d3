import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { renderGolden } from './render.js';

/** Rewrites the golden bytes of every case; `golden.test.ts` checks that the committed ones are current. */
const FOLDER = 'src/wire/golden';

for (const [name, bytes] of renderGolden(FOLDER)) writeFileSync(join(FOLDER, name), bytes);
