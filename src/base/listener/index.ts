/** What stands between a port that strangers can reach and what serves it: budgets of connections, handshakes and bytes. */
export { canonicalAddress } from './address.js';
export { BodyBudget, BodyRefused, type BodyBudgetOptions } from './body-budget.js';
export {
  ConnectionBudget,
  addressOf,
  type ConnectionLimits,
  type ConnectionRefusal,
} from './connection-budget.js';
export { FairTurns, TooManyWaiting } from './fair-turns.js';
export { DOOR_SOCKETS, FrontDoor, type FrontDoorOptions } from './front-door.js';
export { standBefore } from './https-door.js';
export { createListenerMetrics, type ListenerMetrics } from './listener-metrics.js';
