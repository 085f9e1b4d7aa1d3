import type { KubeClient } from '../../kube/index.js';
import { knownOf } from '../analyze/known-of.js';
import { readCluster } from '../analyze/read-cluster.js';
import { readFiles } from '../analyze/read-files.js';
import { demandRevision } from '../control-planes.js';
import type { Page } from '../page.js';
import { compare, isEmpty, type Difference } from './compare.js';
import { overlay } from './overlay.js';
import { remember } from './remembered.js';
import { differenceText } from './text.js';

export interface DiffOptions {
  /** Files of YAML or JSON or folders of them, `-` for standard input. */
  readonly files: readonly string[];
  readonly client: KubeClient;
  readonly page: Page;
  /** Of objects that name none. */
  readonly namespace?: string | undefined;
  /** What if the objects were deleted? */
  readonly delete?: boolean | undefined;
  readonly output: 'text' | 'json';
  readonly revision: string;
  readonly systemNamespace: string;
}

/** What proxies would do otherwise if the objects of the files were applied. It only reads. */
export async function diff(
  options: DiffOptions,
): Promise<{ readonly differs: boolean; readonly text: string }> {
  const difference = await differenceOf(options);
  const { output, page } = options;
  const text = output === 'json' ? JSON.stringify(difference, null, 2) : differenceText(difference, page);
  return { differs: !isEmpty(difference), text };
}

async function differenceOf(options: DiffOptions): Promise<Difference> {
  const { client, files, namespace = 'default' } = options;
  await demandRevision(client, options.revision, 'weft diff');
  const written = await readFiles(files, namespace);
  const { gaps, ...cluster } = await readCluster(options);
  const laid = overlay(cluster.objects, written.objects, options.delete === true);
  const place = { ...options, ...cluster, complete: gaps.length === 0, live: true };
  const before = await knownOf(place);
  const after = await knownOf({ ...place, objects: laid.objects });
  const concerned = new Set(written.objects.map((object) => object.namespace).filter((name) => name !== ''));
  const remembered = await remember(client, options.systemNamespace);
  const overlaid = { ...laid, notes: [...laid.notes, ...gaps] };
  return compare(before, after, overlaid, { concerned, remembered });
}
