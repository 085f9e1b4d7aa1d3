import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { builtPart } from '../../base/index.js';

/** Text of each file of the charts, by its path, such as `weft/Chart.yaml`. */
export type Charts = Readonly<Record<string, string>>;

/** Set by esbuild (src/build.mjs). */
declare const WEFT_CHARTS: Charts | undefined;

/** The charts that this program belongs to. */
export function bundledCharts(): Charts {
  return builtPart('the charts', typeof WEFT_CHARTS === 'undefined' ? undefined : WEFT_CHARTS);
}

/** Writes them where Helm can read them, for as long as the work lasts. */
export async function withCharts<T>(charts: Charts, work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'weft-charts-'));
  try {
    for (const [path, text] of Object.entries(charts)) {
      const file = join(folder, path);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, text);
    }
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The version of the program that the charts install, unless values say another image. */
export function appVersion(charts: Charts): string {
  return /^appVersion: "?([^"\s]+)"?$/m.exec(charts['weft/Chart.yaml'] ?? '')?.[1] ?? 'unknown';
}
