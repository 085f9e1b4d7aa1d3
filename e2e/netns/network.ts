import { run } from './process.js';

/** Address of the node, where the control plane is. */
export const NODE = '10.99.0.1';

/** The bridge that all pods hang on. Once in a process. */
export async function makeNode(): Promise<void> {
  await run('ip', 'link', 'set', 'lo', 'up');
  await run('ip', 'link', 'add', 'br0', 'type', 'bridge');
  await run('ip', 'address', 'add', `${NODE}/16`, 'dev', 'br0');
  await run('ip', 'link', 'set', 'br0', 'up');
}

/**
 * The network of a pod, fresh: no rule and no connection is in it. `name` is that of its network namespace and of its
 * link, so at most 15 characters; `address` is of 10.99.0.0/16.
 */
export async function makePod(name: string, address: string): Promise<void> {
  await run('ip', 'netns', 'add', name);
  const inside = (...args: string[]): Promise<string> => run('ip', '-n', name, ...args);
  await run('ip', 'link', 'add', name, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name);
  await run('ip', 'link', 'set', name, 'master', 'br0', 'up');
  await inside('address', 'add', `${address}/16`, 'dev', 'eth0');
  await inside('link', 'set', 'lo', 'up');
  await inside('link', 'set', 'eth0', 'up');
  await inside('route', 'add', 'default', 'via', NODE);
}

/** Takes the network of a pod away, as its end does. */
export async function removePod(name: string): Promise<void> {
  await run('ip', 'link', 'delete', name);
  await run('ip', 'netns', 'delete', name);
}
