/** From the model to the wire: pure, and deterministic to the byte. */

export type { EncodedResource } from './encoded.js';
export { DESTINATION_TYPE_URL, encodeDestination, toWireDestination } from './destination.js';
export { WORKLOAD_TYPE_URL, encodeWorkload, toWireWorkload } from './workload.js';
