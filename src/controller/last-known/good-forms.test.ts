import { expect, test } from '@jest/globals';
import { READER } from '../../api/index.js';
import { ENDED_KEPT_MS, GoodForms, type GoodForm, type RecordedForms } from './good-forms.js';
import { LAST_KNOWN, formsData, formsMapOf, formsMaps } from './record.js';
import { Kinds } from '../kinds/index.js';

const object = (generation: number, spec: unknown) =>
  Kinds.policies.resource.keep({ metadata: { name: 'p', namespace: 'shop', uid: 'u', generation }, spec });

/** Reads only texts, as an older version would. */
const reading = (again: () => void = () => undefined) => ({
  kind: 'TrafficPolicy',
  read: ({ spec, metadata }: ReturnType<typeof object>) =>
    typeof spec === 'string' ? `${spec} of ${metadata.generation}` : undefined,
  again,
});

const form = (reader: string, generation: number, spec: unknown): GoodForm => ({ reader, generation, spec });

test('after a rollback the newest form that the older version can read acts', () => {
  const forms = new GoodForms();
  forms.setRecorded(
    new Map([['u', [form('new', 4, { v2: true }), form(READER, 2, 'old'), form('x', 1, 'first')]]]),
  );
  expect(forms.read(object(4, { v2: true }), reading())).toBe('old of 2');
  expect(forms.actingGeneration('u')).toBe(2);
});

test('a form of another reader is kept beside ours, and a newer form of ours replaces ours', () => {
  const forms = new GoodForms();
  const foreign = form('new', 4, { v2: true });
  forms.setRecorded(new Map([['u', [foreign, form(READER, 2, 'old')]]]));
  forms.read(object(5, 'ours'), reading());
  expect(forms.toRecord().get('u')).toEqual([form(READER, 5, 'ours'), foreign]);
});

test('what another replica of this version has seen since is not taken back', () => {
  const forms = new GoodForms();
  forms.read(object(2, 'behind'), reading());
  forms.setRecorded(new Map([['u', [form(READER, 3, 'ahead')]]]));
  expect(forms.toRecord().get('u')).toEqual([form(READER, 3, 'ahead')]);
});

test('the record of an object that this version never could read is kept', () => {
  const forms = new GoodForms();
  const recorded = [form('new', 1, { v2: true })];
  forms.setRecorded(new Map([['u', recorded]]));
  expect(forms.read(object(2, { v2: true }), reading())).toBeUndefined();
  expect(forms.toRecord().get('u')).toEqual(recorded);
});

test('a record that comes later makes unreadable objects be looked at again', () => {
  const forms = new GoodForms();
  let again = 0;
  expect(
    forms.read(
      object(3, { odd: true }),
      reading(() => (again += 1)),
    ),
  ).toBeUndefined();
  forms.setRecorded(new Map([['u', [form(READER, 2, 'good')]]]));
  expect(again).toBe(1);
  expect(forms.read(object(3, { odd: true }), reading())).toBe('good of 2');
});

test('what is gone stays recorded for a while where its kind may be gone as well', () => {
  let now = 0;
  const forms = new GoodForms(() => now);
  const named = { kind: 'TrafficPolicy', namespace: 'shop', name: 'p', creationTimestamp: '' };
  forms.read(object(1, 'lasts'), { ...reading(), lasting: true });
  forms.forget('u');
  expect(forms.toRecord().get('u')).toEqual([{ ...form(READER, 1, 'lasts'), object: named }]);
  now = ENDED_KEPT_MS;
  expect([...forms.toRecord()]).toEqual([]);
  expect(forms.hasEnded).toBe(false);
  forms.read(object(1, 'ends'), reading());
  forms.forget('u');
  expect([...forms.toRecord()]).toEqual([]);
});

/** As they arrive in a ConfigMap. */
function decoded(data: Readonly<Record<string, string>>): RecordedForms {
  const map = { metadata: { name: 'm' }, data };
  return LAST_KNOWN.keep(map).forms;
}

test('forms survive being written down, each object in one of the parts', () => {
  const forms = new Map([['u', [form('r', 1, { a: [1, 'x'] })]]]);
  const { data, leftOut } = formsData(forms);
  expect(leftOut).toEqual([]);
  expect(decoded(data)).toEqual(forms);
  expect(formsMaps('default')).toContain(formsMapOf('default', 'u'));
  expect(decoded({ 'forms.json.gz': 'damaged' })).toEqual(new Map());
});

test('where not all forms fit into a ConfigMap the largest are left out', () => {
  // Digits that do not compress well.
  const noise = (seed: number) => Array.from({ length: 60_000 }, (_, i) => Math.sin(seed + i));
  const forms = new Map([
    ['small', [form('r', 1, 'small')]],
    ['large', [form('r', 1, [noise(1), noise(2)])]],
    ['medium', [form('r', 1, noise(3))]],
  ]);
  const { data, leftOut } = formsData(forms);
  expect(leftOut).toEqual(['large']);
  expect([...decoded(data).keys()]).toEqual(['medium', 'small']);
});
