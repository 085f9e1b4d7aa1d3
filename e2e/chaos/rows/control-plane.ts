import { run } from '../../netns/process.js';
import type { ControlPlaneGround, PlaneFault } from '../control-plane.js';
import type { Replica } from '../plane/replica.js';
import type { Row } from '../row.js';

/** What one fault of one replica is bound to: replicas are found to hang after 15 s, and those who asked them ask others. */
const OTHERS_ANSWER = { meanwhile: { policySeconds: 20, podSeconds: 20 }, recoverySeconds: 20 };

type Choice = (on: ControlPlaneGround) => readonly Replica[] | Promise<readonly Replica[]>;
const leader: Choice = (on) => [on.world.plane.roles().leader];
const others: Choice = (on) => on.world.plane.roles().others;
const all: Choice = (on) => on.world.plane.replicas;

/** The replica that most proxies are with. */
const busiest: Choice = async ({ world: { plane } }) => {
  const streams = await Promise.all(
    plane.replicas.map(async (replica) => {
      const text = await replica.metrics();
      return { replica, count: Number(/^weft_xds_streams (\d+)$/m.exec(text)?.[1] ?? 0) };
    }),
  );
  const [most] = streams.toSorted((a, b) => b.count - a.count);
  return most === undefined || most.count === 0 ? [] : [most.replica];
};

type Happening = Pick<PlaneFault, 'begin' | 'end' | 'seen' | 'restarts'>;

/** A fault of some replicas, which are picked when it begins. */
function ofReplicas(
  pick: Choice,
  begin: (replica: Replica, on: ControlPlaneGround) => Promise<void>,
  end: (replica: Replica, on: ControlPlaneGround) => Promise<void>,
): Happening {
  let picked: readonly Replica[] = [];
  return {
    begin: async (on) => {
      picked = await pick(on);
      for (const replica of picked) await begin(replica, on);
    },
    seen: async () => {
      const answers = await Promise.all(picked.map((replica) => replica.isReady()));
      const silent = answers.filter((answer) => !answer).length;
      const real = picked.length > 0 && silent === picked.length;
      return { real, what: `${silent} of ${picked.length} did not answer` };
    },
    end: async (on) => {
      for (const replica of picked) await end(replica, on);
    },
  };
}

const freeze = (choice: Choice): Happening =>
  ofReplicas(
    choice,
    (replica) => replica.freeze(),
    (replica) => replica.thaw(),
  );
const cut = (choice: Choice): Happening =>
  ofReplicas(
    choice,
    (replica) => replica.cut(),
    (replica) => replica.mend(),
  );
/** Its node is gone, and comes back. */
function takeAway(choice: Choice): Happening {
  let returned = 0;
  const happening = ofReplicas(
    choice,
    async (replica, on) => {
      on.world.plane.away.add(replica);
      await replica.kill();
    },
    async (replica, on) => {
      on.world.plane.away.delete(replica);
      returned += 1;
      await Promise.resolve();
    },
  );
  return { ...happening, restarts: () => returned };
}

/** The container dies, and the kubelet starts it again. */
function crash(choice: Choice): Happening {
  let died = 0;
  return {
    begin: async (on) => {
      const picked = await choice(on);
      for (const replica of picked) await replica.kill();
      died = picked.length;
    },
    seen: () => Promise.resolve({ real: died > 0, what: `${died} died` }),
    end: (on) => on.world.plane.settled(),
    restarts: () => died,
  };
}

/** Nothing comes to the API server any more, and nobody is told. */
function withoutApiServer(): Happening {
  const rule = (on: ControlPlaneGround, how: '-I' | '-D'): readonly string[] => {
    const { port } = new URL(on.world.api.url);
    return [how, 'INPUT', '-p', 'tcp', '--dport', port, '-j', 'DROP'];
  };
  return {
    begin: async (on) => {
      await run('iptables', ...rule(on, '-I'));
    },
    seen: async (on) => {
      const listed = await run('iptables', '-L', 'INPUT', '-v', '-n', '-x');
      const { port } = new URL(on.world.api.url);
      const line = listed.split('\n').find((text) => text.includes(`dpt:${port}`)) ?? '0';
      const packets = Number(line.trim().split(/\s+/)[0]);
      return { real: packets > 0, what: `${packets} packets swallowed` };
    },
    end: async (on) => {
      await run('iptables', ...rule(on, '-D'));
    },
  };
}

/** A replica starts on a node whose clock is an hour ahead; its front is there with it. */
function clockAhead(choice: Choice): Happening {
  let picked: readonly Replica[] = [];
  const restart = async (on: ControlPlaneGround, ...under: readonly string[]): Promise<void> => {
    for (const replica of picked) {
      on.world.plane.away.add(replica);
      await replica.kill();
      replica.start(...under);
      on.world.plane.away.delete(replica);
    }
  };
  return {
    begin: async (on) => {
      picked = await choice(on);
      await restart(on, 'faketime', '--exclude-monotonic', '-f', '+1h');
      await on.world.plane.settled();
    },
    seen: async () => {
      const ahead = await Promise.all(picked.map((replica) => replica.secondsAhead()));
      const least = Math.min(...ahead);
      return { real: least > 3500, what: `its clock was ${least.toFixed(0)} s ahead` };
    },
    end: async (on) => {
      await restart(on);
      await on.world.plane.settled();
    },
  };
}

/** Faults of the control plane. */
export const CONTROL_PLANE: readonly Row<ControlPlaneGround>[] = (
  [
    {
      name: 'leader-killed',
      title: 'the replica that leads dies and is started again',
      promise: 'nothing lost; policies act and pods start within 20 s',
      fault: { ...crash(leader), seconds: 0, ...OTHERS_ANSWER },
    },
    {
      name: 'leader-frozen',
      title: 'the replica that leads hangs (SIGSTOP)',
      promise: 'nothing lost; policies act and pods start within 20 s',
      fault: { ...freeze(leader), seconds: 10, ...OTHERS_ANSWER },
    },
    {
      name: 'busiest-frozen',
      title: 'the replica that most proxies are with hangs (SIGSTOP)',
      promise: 'nothing lost; policies act and pods start within 20 s',
      fault: { ...freeze(busiest), seconds: 10, ...OTHERS_ANSWER },
    },
    {
      name: 'busiest-partitioned',
      title: 'the replica that most proxies are with is cut off from everybody',
      promise: 'nothing lost; policies act and pods start within 20 s',
      fault: { ...cut(busiest), seconds: 10, ...OTHERS_ANSWER },
    },
    {
      name: 'two-away',
      title: 'two replicas of three are gone',
      promise: 'nothing lost; policies act and pods start within 20 s',
      fault: { ...takeAway(others), seconds: 10, ...OTHERS_ANSWER },
    },
    {
      name: 'all-away',
      title: 'all replicas are gone for 20 s',
      promise: 'nothing lost; within 30 s of their start policies act and pods start',
      fault: { ...takeAway(all), seconds: 20, recoverySeconds: 30 },
    },
    {
      name: 'api-server-away',
      title: 'the API server does not answer for a minute',
      promise: 'nothing lost; policies act and pods start within 30 s of its return',
      fault: { ...withoutApiServer(), seconds: 60, recoverySeconds: 30 },
    },
    {
      name: 'clock',
      title: 'the clock of one replica, and of its front, is an hour ahead',
      promise: 'nothing lost; policies act and pods start within 20 s',
      fault: { ...clockAhead(leader), seconds: 5, ...OTHERS_ANSWER },
    },
  ] satisfies readonly (Omit<Row<ControlPlaneGround>, 'play'> & { readonly fault: PlaneFault })[]
).map(({ fault, ...row }) => ({ ...row, play: (on: ControlPlaneGround) => on.under(fault) }));
