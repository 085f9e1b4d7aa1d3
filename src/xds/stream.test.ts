import { describe, expect, test } from '@jest/globals';
import { GrpcCode } from '../grpc/index.js';
import type { DeltaRequest, Rejected } from './request.js';
import { DEFAULT_LIMITS, DeltaStream, type DeltaLimits, type Subscriptions } from './stream.js';
import { Subscription, type Subscriber, type View } from './subscription.js';

const T = 'type.weft.dev/t';
const CONSUMER = { uid: 'u', namespace: 'n' };

/** A stream over views whose versions the test sets. */
class Bench implements Subscriptions {
  readonly views = new Map<string, View>();
  readonly stream: DeltaStream;
  readonly #subscriber: Subscriber = {
    consumer: CONSUMER,
    pod: 'n/p',
    changed: (subscription) => this.stream.changed(subscription),
    push: () => undefined,
  };

  constructor(limits: Partial<DeltaLimits> = {}) {
    this.stream = new DeltaStream([T], this, { ...DEFAULT_LIMITS, ...limits });
  }

  view(name: string): View {
    const known = this.views.get(name);
    if (known !== undefined) return known;
    const view: View = {
      typeUrl: T,
      name,
      consumer: CONSUMER,
      subscriptions: new Set(),
      built: undefined,
      head: new Uint8Array(),
      unmade: false,
      revision: 1,
    };
    this.views.set(name, view);
    return view;
  }

  subscribe(_typeUrl: string, name: string, held: string | undefined): Subscription {
    const view = this.view(name);
    const subscription = new Subscription(view, this.#subscriber, held);
    view.subscriptions.add(subscription);
    return subscription;
  }

  unsubscribe(subscription: Subscription): void {
    subscription.view.subscriptions.delete(subscription);
  }

  count(): void {
    // What is counted is the business of `Acks`.
  }

  /** Another content, of other sources. */
  set(name: string, version: string | undefined): void {
    const view = this.view(name);
    view.built =
      version === undefined
        ? undefined
        : { key: name, typeUrl: T, version, body: Buffer.from(`${name}=${version}`), sources: [] };
    view.revision += 1;
    for (const subscription of view.subscriptions) this.stream.changed(subscription);
  }

  request(values: Partial<DeltaRequest>) {
    return this.stream.request({
      node: '',
      roots: [],
      typeUrl: T,
      subscribe: [],
      unsubscribe: [],
      initialVersions: new Map(),
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
        ...r.resources.map(({ body }) => Buffer.from(body).toString()),
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
  void bench.request({
    subscribe: Object.keys(initialVersions),
    initialVersions: new Map(Object.entries(initialVersions)),
  });
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
    bench.request({ subscribe: ['a'], initialVersions: new Map([['a', '1']]) });
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
    expect(effect).toMatchObject({ refused: 2 });
    expect(bench.sent().said.sort()).toEqual(['-c', '-toolong', 'a=1', 'b=1']);
    bench.request({ unsubscribe: ['a'], subscribe: ['c'] });
    expect(bench.sent().said).toEqual(['c=1']);
  });
});

describe('a proxy that does not read', () => {
  /** Asks until the stream ends; says how many names it took. */
  function flood(limits: Partial<DeltaLimits>, nameOf: (i: number) => string): number {
    const bench = new Bench({ maxSubscriptions: 0, ...limits });
    for (let i = 0; i < 100_000; i++) {
      try {
        bench.request({ subscribe: [nameOf(i)] });
      } catch (thrown) {
        expect(thrown).toMatchObject({ code: GrpcCode.resourceExhausted });
        return i;
      }
    }
    throw new Error('the stream never ended');
  }

  test('is not kept names for without end', () => {
    expect(flood({}, (i) => `n${i}`)).toBe(DEFAULT_LIMITS.maxRefused);
    expect(flood({}, (i) => `${i}`.padEnd(4_096, 'x'))).toBe(DEFAULT_LIMITS.maxRefusedLength / 4_096);
  });

  test('and asks for one name again and again is kept it once', () => {
    const bench = new Bench({ maxSubscriptions: 0 });
    for (let i = 0; i < 5_000; i++) bench.request({ subscribe: ['same'] });
    expect(bench.sent().said).toEqual(['-same']);
  });
});

test('a name like a property of every object has no version', () => {
  const bench = new Bench();
  bench.set('constructor', '1');
  bench.request({ subscribe: ['constructor'] });
  expect(bench.sent().said).toEqual(['constructor=1']);
});

test('a resource that could not be made is not said to be absent, and comes when it can', () => {
  const bench = new Bench();
  bench.view('a').unmade = true;
  bench.request({ subscribe: ['a', 'b'] });
  expect(bench.sent().said).toEqual(['-b']);
  bench.view('a').unmade = false;
  bench.set('a', '1');
  expect(bench.sent().said).toEqual(['a=1']);
});

describe('how a subscription stands', () => {
  const no: Rejected = { reason: 'Invalid', words: 'no' };
  const rejected = (...names: string[]) => ({ whole: no, byName: new Map(names.map((name) => [name, no])) });
  const standings = (bench: Bench, ...names: string[]) =>
    names.map((name) => [...bench.view(name).subscriptions][0]?.standing);

  function pushed(): { bench: Bench; nonce: string } {
    const bench = new Bench();
    bench.set('a', '1');
    bench.set('b', '1');
    bench.request({ subscribe: ['a', 'b'] });
    return { bench, nonce: bench.sent().nonce };
  }

  test('an ACK is for every resource of its response', () => {
    const { bench, nonce } = pushed();
    expect(standings(bench, 'a', 'b')).toEqual(['new', 'new']);
    expect(bench.request({ nonce })?.rejections).toEqual([]);
    expect(standings(bench, 'a', 'b')).toEqual(['acknowledged', 'acknowledged']);
  });

  test('a NACK rejects what it names, the rest was applied', () => {
    const { bench, nonce } = pushed();
    bench.request({ nonce, error: rejected('b') });
    expect(standings(bench, 'a', 'b')).toEqual(['acknowledged', 'rejected']);
  });

  test('a NACK that names nothing rejects everything', () => {
    const { bench, nonce } = pushed();
    bench.request({ nonce, error: rejected() });
    expect(standings(bench, 'a', 'b')).toEqual(['rejected', 'rejected']);
  });

  test('a NACK about names that were not in the response rejects none of them', () => {
    const { bench, nonce } = pushed();
    bench.request({ nonce, error: rejected('z') });
    expect(standings(bench, 'a', 'b')).toEqual(['acknowledged', 'acknowledged']);
  });

  test('an answer to a response that was never sent, or answered already, says nothing', () => {
    const { bench, nonce } = pushed();
    bench.request({ nonce: '77' });
    expect(standings(bench, 'a')).toEqual(['new']);
    bench.request({ nonce });
    expect(bench.request({ nonce, error: rejected() })?.rejections).toEqual([]);
    expect(standings(bench, 'a')).toEqual(['acknowledged']);
  });

  test('a rejected version is not sent again, a new one is, and is judged anew', () => {
    const { bench, nonce } = pushed();
    bench.request({ nonce, error: rejected('a') });
    bench.stream.changed([...bench.view('a').subscriptions][0]!);
    expect(bench.sent().said).toEqual([]);
    expect(standings(bench, 'a')).toEqual(['rejected']);
    bench.set('a', '2');
    const { nonce: second } = bench.sent();
    expect(standings(bench, 'a')).toEqual(['pending']);
    bench.request({ nonce: second });
    expect(standings(bench, 'a')).toEqual(['acknowledged']);
  });

  test('an ACK of an older version does not speak for the newer', () => {
    const { bench, nonce } = pushed();
    bench.set('a', '2');
    bench.sent();
    bench.request({ nonce });
    expect(standings(bench, 'a', 'b')).toEqual(['pending', 'acknowledged']);
  });

  test('a version that a proxy resumed with counts as acknowledged', () => {
    const bench = new Bench();
    bench.set('a', '1');
    bench.request({ subscribe: ['a'], initialVersions: new Map([['a', '1']]) });
    expect(standings(bench, 'a')).toEqual(['acknowledged']);
  });

  test('who resumed with an older version owes an answer; who asks for the first time does not yet', () => {
    const bench = new Bench();
    bench.set('a', '2');
    bench.set('b', '2');
    bench.request({ subscribe: ['a', 'b'], initialVersions: new Map([['a', '1']]) });
    expect(standings(bench, 'a', 'b')).toEqual(['pending', 'new']);
  });

  test('other content of the same sources needs no other acknowledgement', () => {
    const { bench, nonce } = pushed();
    bench.request({ nonce });
    const view = bench.view('a');
    view.built = { ...view.built!, version: '2', body: Buffer.from('a=2') };
    bench.stream.changed([...view.subscriptions][0]!);
    expect(bench.sent().said).toEqual(['a=2']);
    expect(standings(bench, 'a')).toEqual(['acknowledged']);
  });
});
