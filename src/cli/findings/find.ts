import { analyze, type Mistake } from '../../api/index.js';
import { CATALOGUE, type Code } from './catalogue.js';
import { findingAt, type Finding } from './finding.js';
import { judgedFindings, statusFindings } from './judged.js';
import { isControlPlane, labelsOf, type Known, type KnownObject } from './known.js';
import { writtenPart } from './read-as.js';

/** Everything that can be found in what is known. */
export function findAll(known: Known): readonly Finding[] {
  const judged = judgedFindings(known);
  const said = new Set(judged.map(({ code, object }) => `${code} ${object}`));
  return distinct([
    ...known.objects.filter((object) => !isControlPlane(labelsOf(object))).flatMap(findObjects),
    ...judged,
    // What the judges say by themselves needs no repeating.
    ...statusFindings(known).filter(({ code, object }) => !said.has(`${code} ${object}`)),
    ...CATALOGUE.flatMap(({ code, find }) =>
      (find?.(known) ?? []).map(({ object, ...place }) => findingAt(code, object, place)),
    ),
  ]);
}

const CODE_OF_MISTAKE: Readonly<Record<Mistake, Code>> = {
  kind: 'WEFT101',
  field: 'WEFT102',
  value: 'WEFT103',
  unsupported: 'WEFT104',
  deprecated: 'WEFT105',
  'unknown-mark': 'WEFT106',
  'misplaced-mark': 'WEFT107',
};

/** What an object shows by itself, as it is written and, in the cluster, as it is stored. */
export function findObjects(known: KnownObject): readonly Finding[] {
  const forms = known.source === undefined ? [storedForm(known), ...appliedForm(known)] : [known.raw];
  return analyze(forms).map(({ mistake, path, message }) =>
    findingAt(CODE_OF_MISTAKE[mistake], known, { path, message }),
  );
}

const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';

function storedForm(known: KnownObject): object {
  const { labels, annotations } = known.raw.metadata ?? {};
  const written = writtenPart(known) as { readonly metadata: object };
  const marks = {
    ...(labels === undefined ? {} : { labels }),
    ...(annotations === undefined ? {} : { annotations }),
  };
  return isOurs(known) ? written : { ...written, metadata: { ...written.metadata, ...marks } };
}

/** The annotation shows what the user typed, before the server dropped what it does not know. Anybody may write one. */
function appliedForm(known: KnownObject): readonly unknown[] {
  const applied = known.raw.metadata?.annotations?.[LAST_APPLIED];
  if (applied === undefined || !isOurs(known)) return [];
  try {
    return [JSON.parse(applied) as unknown];
  } catch {
    return [];
  }
}

function isOurs({ apiVersion }: KnownObject): boolean {
  return apiVersion.startsWith('weft.dev/');
}

/** What a user applied and what the server kept of it may have the same mistake. */
function distinct(findings: readonly Finding[]): readonly Finding[] {
  const known = new Map(
    findings.map((one) => [JSON.stringify([one.object, one.path, one.message, one.source]), one]),
  );
  return [...known.values()];
}
