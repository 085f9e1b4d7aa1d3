import { setTimeout as sleep } from 'node:timers/promises';
import { inPod } from '../../netns/process.js';
import { type Fault, type Network, fewerLost, carried, noneLost } from '../network.js';
import type { Row } from '../row.js';
import { type Kind, type Traffic, KINDS } from '../traffic.js';
import type { Carried, Faults, Wire } from '../wire.js';

const REPEATABLE: readonly Kind[] = ['GET', 'h2'];
const ONCE: readonly Kind[] = ['POST', 'gRPC', 'stream', 'TCP', 'WebSocket'];
/** What one callee of three gets of that in six seconds from whoever does not see that it is silent. */
const BLIND = 80;
/** TCP tries again after ever longer pauses: the last one is about as long as what it waited for. */
const RETRANSMISSION = { recoverySeconds: 6 };

type Side = (on: Network) => Wire;
const near: Side = (on) => on.near;
const far: Side = (on) => on.far;

/** A fault that a wire makes. */
function onWire(
  side: Side,
  faults: Faults,
  counts: keyof Carried,
  promise: Pick<Fault, 'wrong' | 'recoverySeconds'>,
): Fault {
  return {
    begin: (on) => side(on).set(faults),
    end: (on) => side(on).set({}),
    seen: async (on) => carried(counts, await side(on).take()),
    ...promise,
  };
}

/** Rules of iptables in the network of the first callee. */
function rules(...all: readonly string[]): Pick<Fault, 'begin' | 'end'> {
  let applied: readonly string[] = [];
  return {
    begin: async (on) => {
      for (const rule of all) {
        await inPod(on.first.spec.name, 'iptables', '-I', ...rule.split(' '));
        applied = [...applied, rule];
      }
    },
    end: async (on) => {
      const now = applied;
      applied = [];
      for (const rule of now) await inPod(on.first.spec.name, 'iptables', '-D', ...rule.split(' '));
    },
  };
}

const RESETS = rules(
  'INPUT -i eth0 -p tcp -m conntrack --ctstate ESTABLISHED -j REJECT --reject-with tcp-reset',
);
/** Each connection there is says something within it. */
const RESET_MILLIS = 1000;

/** The fault, and connections of before are reset at its beginning: what it does to new ones shows. */
function toNewConnections(fault: Fault): Fault {
  const begin = async (on: Network): Promise<void> => {
    await fault.begin(on);
    try {
      await RESETS.begin(on);
      await sleep(RESET_MILLIS);
    } finally {
      await RESETS.end(on);
    }
  };
  return { ...fault, begin };
}

/** Packets that a rule of the first callee's input has matched. */
async function matched(on: Network, mark: string): Promise<{ real: boolean; what: string }> {
  const listed = await inPod(on.first.spec.name, 'iptables', '-L', 'INPUT', '-v', '-n', '-x');
  const count = listed
    .split('\n')
    .filter((line) => line.includes(mark))
    .reduce((sum, line) => sum + Number(line.trim().split(/\s+/)[0]), 0);
  return { real: count > 0, what: `${count} packets` };
}

const all =
  (...rest: readonly ((traffic: Traffic) => readonly string[])[]) =>
  (traffic: Traffic): readonly string[] =>
    rest.flatMap((one) => one(traffic));

const NOTHING_LOST = { wrong: noneLost(...KINDS), recoverySeconds: 2 };
const MTU = 1000;

const FAULTS: readonly (Omit<Row<Network>, 'play'> & { readonly fault: Fault })[] = [
  {
    name: 'loss-1',
    title: '1 % of the packets of the caller are lost, both ways',
    promise: 'nothing lost',
    fault: onWire(near, { lossPercent: 1 }, 'lost', NOTHING_LOST),
  },
  {
    name: 'loss-5',
    title: '5 % of the packets of the caller are lost, both ways',
    promise: 'nothing lost',
    fault: onWire(near, { lossPercent: 5 }, 'lost', NOTHING_LOST),
  },
  {
    name: 'delay',
    title: 'each packet of the caller takes 50 ms, give or take 20, each way',
    promise: 'nothing lost',
    fault: onWire(near, { delayMillis: 50, jitterMillis: 20 }, 'delayed', NOTHING_LOST),
  },
  {
    name: 'reordering',
    title: 'a quarter of the packets of the caller are overtaken by others',
    promise: 'nothing lost',
    fault: onWire(near, { reorderPercent: 25, reorderMillis: 5 }, 'reordered', NOTHING_LOST),
  },
  {
    name: 'partition',
    title: 'one callee of three is cut off, and connections to it stay half open',
    promise: 'no GET lost; of what goes once, fewer than whoever did not notice would lose',
    fault: onWire(far, { cutIn: true, cutOut: true }, 'cut', {
      wrong: all(noneLost(...REPEATABLE), fewerLost(BLIND, ...ONCE)),
      ...RETRANSMISSION,
    }),
  },
  {
    name: 'deaf-callee',
    title: 'one callee of three hears everything and nothing of what it says arrives',
    promise: 'no GET lost; of what goes once, fewer than whoever did not notice would lose',
    fault: onWire(far, { cutOut: true }, 'cut', {
      wrong: all(noneLost(...REPEATABLE), fewerLost(BLIND, ...ONCE)),
      ...RETRANSMISSION,
    }),
  },
  {
    name: 'caller-partition',
    title: 'the caller is cut off from everybody',
    promise: 'it is well as soon as TCP has tried again',
    fault: onWire(near, { cutIn: true, cutOut: true }, 'cut', { wrong: () => [], ...RETRANSMISSION }),
  },
  {
    name: 'resets',
    title: 'one packet of twenty to one callee of three is answered with a reset, by somebody between',
    promise: 'no GET lost',
    fault: {
      ...rules(
        'INPUT -i eth0 -p tcp -m statistic --mode random --probability 0.05 -j REJECT --reject-with tcp-reset',
      ),
      seen: (on) => matched(on, 'reject-with tcp-reset'),
      wrong: noneLost(...REPEATABLE),
      recoverySeconds: 2,
    },
  },
  {
    name: 'mtu',
    title: `packets of over ${MTU} bytes to and from one callee of three vanish, and nobody is told`,
    promise: 'no GET lost',
    fault: toNewConnections(
      onWire(far, { maxBytes: MTU }, 'tooLong', { wrong: noneLost(...REPEATABLE), recoverySeconds: 2 }),
    ),
  },
  {
    name: 'conntrack',
    title: 'one callee of three takes no new connection, as when its table of connections is full',
    promise: 'no GET lost; of what goes once, fewer than whoever did not notice would lose',
    fault: toNewConnections({
      ...rules('INPUT -i eth0 -p tcp -m conntrack --ctstate NEW -j DROP'),
      seen: (on) => matched(on, 'ctstate NEW'),
      wrong: all(noneLost(...REPEATABLE), fewerLost(BLIND, ...ONCE)),
      recoverySeconds: 2,
    }),
  },
];

/** What networks do to packets. */
export const NETWORK: readonly Row<Network>[] = FAULTS.map(({ fault, ...row }) => ({
  ...row,
  play: (on) => on.under(fault),
}));
