import { create } from '@bufbuild/protobuf';
import type { HashInput, LoadBalancer } from '../../model/index.js';
import {
  HashInputSchema,
  LoadBalancerSchema,
  LoadBalancer_Algorithm as Algorithm,
  LoadBalancer_Zone as Zone,
  type HashInput as WireHashInput,
  type LoadBalancer as WireLoadBalancer,
} from '../../wire/gen/weft/v1/destination_pb.js';

const ALGORITHMS = {
  peakEwma: Algorithm.PEAK_EWMA,
  leastRequest: Algorithm.LEAST_REQUEST,
  roundRobin: Algorithm.ROUND_ROBIN,
  random: Algorithm.RANDOM,
  ringHash: Algorithm.RING_HASH,
  maglev: Algorithm.MAGLEV,
};
const ZONES = { any: Zone.ANY, prefer: Zone.PREFER, strict: Zone.STRICT };

/** How an endpoint is chosen. */
export function toWireLoadBalancer(balancer: LoadBalancer): WireLoadBalancer {
  const { algorithm, hash = [], maxLoadPercent = 0, zone = 'any', slowStartMs = 0 } = balancer;
  return create(LoadBalancerSchema, {
    algorithm: ALGORITHMS[algorithm],
    hash: hash.map(toWireInput),
    maxLoadPercent,
    zone: ZONES[zone],
    slowStartMs,
  });
}

function toWireInput(input: HashInput): WireHashInput {
  if ('name' in input) return create(HashInputSchema, { input: { case: input.kind, value: input.name } });
  return create(HashInputSchema, { input: { case: input.kind, value: true } });
}
