/** The keys of those who sign tokens: fetched by the control plane only, by the replica that leads. */
export { keepKeySets } from './keep-key-sets.js';
