import { describe, expect, test } from '@jest/globals';
import type { DeltaRequest } from './request.js';
import type { Built } from './snapshot.js';
import { DEFAULT_LIMITS, DeltaStream, type DeltaLimits } from './stream.js';

const T = 'type.weft.dev/t';

/** A stream over a table of name to version; change the table and say so with `set`. */
class Bench {
  readonly table = new Map<string, string>();
  readonly stream: DeltaStream;

  constructor(limits: Partial<DeltaLimits> = {}) {
    this.stream = new DeltaStream([T], (_typeUrl, name) => this.#built(name), {
      ...DEFAULT_LIMITS,
      ...limits,
    });
  }

  #built(name: string): Built | undefined {
    const version = this.table.get(name);
    return version === undefined
      ? undefined
      : { key: name, typeUrl: T, version, body: Buffer.from(version), sources: [] };
  }

  set(name: string, version: string | undefined): void {
    if (version === undefined) this.table.delete(name);
    else this.table.set(name, version);
    this.stream.changed(T, name);
  }

  request(values: Partial<DeltaRequest>) {
    return this.stream.request({
      typeUrl: T,
      subscribe: [],
      unsubscribe: [],
      initialVersions: {},
      nonce: '',
      ...values,
    });
  }

  /** What is sent now, as `name=version` and `-name`; the nonce of the last response. */
  sent(): { said: string[]; nonce: string; responses: number } {
    const said: string[] = [];
    let [nonce, responses] = ['', 0];
    for (let r = this.stream.next(); r !== undefined; r = this.stream.next()) {
      said.push(
        ...r.resources.map(({ name, body }) => `${name}=${Buffer.from(body).toString()}`),
        ...r.removed.map((name) => `-${name}`),
      );
      nonce = r.nonce;
      responses++;
    }
    return { said, nonce, responses };
  }
}

/** A step: what happens, and what is sent then. */
type Step = readonly [act: (bench: Bench) => void, said: readonly string[]];
const ask =
  (...subscribe: string[]) =>
  (bench: Bench) =>
    void bench.request({ subscribe });
const leave =
  (...unsubscribe: string[]) =>
  (bench: Bench) =>
    void bench.request({ unsubscribe });
const resume = (initialVersions: Record<string, string>) => (bench: Bench) =>
  void bench.request({ subscribe: Object.keys(initialVersions), initialVersions });
const set = (name: string, version?: string) => (bench: Bench) => bench.set(name, version);
const all =
  (...acts: ((bench: Bench) => void)[]) =>
  (bench: Bench) =>
    acts.forEach((act) => act(bench));

describe('what is sent', () => {
  test.each<[string, readonly Step[]]>([
    ['a name that is there', [[all(set('a', '1'), ask('a')), ['a=1']]]],
    [
      'a name that is not, and then is',
      [
        [ask('a'), ['-a']],
        [set('a', '1'), ['a=1']],
      ],
    ],
    [
      'a name that goes, and comes back',
      [
        [all(set('a', '1'), ask('a')), ['a=1']],
        [set('a'), ['-a']],
        [set('a'), []],
        [set('a', '1'), ['a=1']],
      ],
    ],
    [
      'nothing when the version is the same',
      [
        [all(set('a', '1'), ask('a')), ['a=1']],
        [set('a', '1'), []],
      ],
    ],
    [
      'only the last of several changes',
      [
        [all(set('a', '1'), ask('a')), ['a=1']],
        [all(set('a', '2'), set('a', '3'), set('a', '4')), ['a=4']],
      ],
    ],
    [
      'nothing when a change was taken back in time',
      [
        [all(set('a', '1'), ask('a')), ['a=1']],
        [all(set('a', '2'), set('a', '1')), []],
      ],
    ],
    [
      'nothing for a name that nobody asked for',
      [
        [ask('b'), ['-b']],
        [set('a', '1'), []],
      ],
    ],
    [
      'nothing after the end of a subscription',
      [
        [all(set('a', '1'), ask('a')), ['a=1']],
        [all(leave('a'), set('a', '2')), []],
      ],
    ],
    [
      'nothing for a name that is asked for and left before the answer',
      [[all(set('a', '1'), ask('a'), leave('a')), []]],
    ],
    [
      'again, for a name that is asked for again',
      [
        [all(set('a', '1'), ask('a')), ['a=1']],
        [ask('a'), ['a=1']],
        [all(leave('a'), ask('a')), ['a=1']],
      ],
    ],
    [
      'after a resume, what differs',
      [[all(set('a', '1'), set('b', '2'), resume({ a: '1', b: '1', c: '1' })), ['b=2', '-c']]],
    ],
    [
      'after a resume, later changes',
      [
        [all(set('a', '1'), resume({ a: '1' })), []],
        [set('a', '2'), ['a=2']],
      ],
    ],
  ])('%s', (_name, steps) => {
    const bench = new Bench();
    for (const [act, said] of steps) {
      act(bench);
      expect(bench.sent().said).toEqual(said);
    }
  });

  test('a first request is answered even with nothing, later ones are not', () => {
    const bench = new Bench();
    expect(bench.sent().responses).toBe(0);
    bench.set('a', '1');
    bench.request({ subscribe: ['a'], initialVersions: { a: '1' } });
    expect(bench.sent().responses).toBe(1);
    bench.request({ nonce: '1' });
    expect(bench.sent().responses).toBe(0);
  });

  test('large answers come in several responses', () => {
    const bench = new Bench({ maxResources: 10 });
    const names = Array.from({ length: 25 }, (_, i) => `n${i}`);
    names.forEach((name) => bench.set(name, '1'));
    bench.request({ subscribe: names });
    const { said, responses } = bench.sent();
    expect([said.length, responses]).toEqual([25, 3]);
  });

  test('a proxy that answers nothing gets no more, and the newest once it answers', () => {
    const bench = new Bench({ maxOutstanding: 2 });
    bench.request({ subscribe: ['a'] });
    const nonces = [1, 2, 3, 4].map((i) => {
      bench.set('a', String(i));
      return bench.sent();
    });
    expect(nonces.map(({ said }) => said)).toEqual([['a=1'], ['a=2'], [], []]);
    bench.request({ nonce: nonces[1]!.nonce });
    expect(bench.sent().said).toEqual(['a=4']);
  });

  test('names above the limit, and names that are too long, are answered as unknown; the rest goes on', () => {
    const bench = new Bench({ maxSubscriptions: 2, maxNameLength: 5 });
    ['a', 'b', 'c', 'toolong'].forEach((name) => bench.set(name, '1'));
    const effect = bench.request({ subscribe: ['toolong', 'a', 'b', 'c', 'a'] });
    expect(effect).toMatchObject({ subscribed: ['a', 'b'], refused: 2 });
    expect(bench.sent().said.sort()).toEqual(['-c', '-toolong', 'a=1', 'b=1']);
    bench.request({ unsubscribe: ['a'], subscribe: ['c'] });
    expect(bench.sent().said).toEqual(['c=1']);
  });
});

describe('verdicts', () => {
  const rejected = (reasons: Record<string, string>) => ({
    message: 'all',
    reasons: new Map(Object.entries(reasons)),
  });
  const kinds = (bench: Bench, ...names: string[]) =>
    names.map((name) => bench.stream.verdict(T, name, bench.table.get(name) ?? '').kind);

  function pushed(): { bench: Bench; nonce: string } {
    const bench = new Bench();
    bench.set('a', '1');
    bench.set('b', '1');
    bench.request({ subscribe: ['a', 'b'] });
    return { bench, nonce: bench.sent().nonce };
  }

  test('an ACK is for every resource of its response', () => {
    const { bench, nonce } = pushed();
    expect(kinds(bench, 'a', 'b')).toEqual(['pending', 'pending']);
    expect(bench.request({ nonce })).toMatchObject({ judged: ['a', 'b'], nack: false });
    expect(kinds(bench, 'a', 'b')).toEqual(['acknowledged', 'acknowledged']);
  });

  test('a NACK rejects what it names, the rest was applied', () => {
    const { bench, nonce } = pushed();
    bench.request({ nonce, error: rejected({ b: 'no' }) });
    expect(kinds(bench, 'a', 'b')).toEqual(['acknowledged', 'rejected']);
    expect(bench.stream.verdict(T, 'b', '1')).toEqual({ kind: 'rejected', reason: 'no' });
  });

  test('a NACK that names nothing rejects everything', () => {
    const { bench, nonce } = pushed();
    bench.request({ nonce, error: rejected({}) });
    expect(kinds(bench, 'a', 'b')).toEqual(['rejected', 'rejected']);
  });

  test('a NACK about names that were not in the response rejects none of them', () => {
    const { bench, nonce } = pushed();
    bench.request({ nonce, error: rejected({ z: 'no' }) });
    expect(kinds(bench, 'a', 'b')).toEqual(['acknowledged', 'acknowledged']);
  });

  test('an answer to a response that was never sent, or answered already, says nothing', () => {
    const { bench, nonce } = pushed();
    expect(bench.request({ nonce: '77' })).toMatchObject({ judged: [] });
    bench.request({ nonce });
    expect(bench.request({ nonce, error: rejected({}) })).toMatchObject({ judged: [], nack: false });
    expect(kinds(bench, 'a')).toEqual(['acknowledged']);
  });

  test('a rejected version is not sent again, a new one is, and is judged anew', () => {
    const { bench, nonce } = pushed();
    bench.request({ nonce, error: rejected({ a: 'no' }) });
    bench.set('a', '1');
    expect(bench.sent().said).toEqual([]);
    bench.set('a', '2');
    expect(kinds(bench, 'a')).toEqual(['pending']);
    bench.request({ nonce: bench.sent().nonce });
    expect(kinds(bench, 'a')).toEqual(['acknowledged']);
  });

  test('an ACK of an older version does not speak for the newer', () => {
    const { bench, nonce } = pushed();
    bench.set('a', '2');
    bench.sent();
    bench.request({ nonce });
    expect(kinds(bench, 'a', 'b')).toEqual(['pending', 'acknowledged']);
  });

  test('a version that a proxy resumed with counts as acknowledged', () => {
    const bench = new Bench();
    bench.set('a', '1');
    bench.request({ subscribe: ['a'], initialVersions: { a: '1' } });
    expect(kinds(bench, 'a')).toEqual(['acknowledged']);
  });
});
