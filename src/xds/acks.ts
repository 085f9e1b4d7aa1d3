import type { PolicyRef } from '../model/index.js';

/** How proxies took the resources that carry a policy: what its condition `Programmed` is made from. */
export interface AckSummary {
  readonly policy: PolicyRef;
  /** Proxies that subscribe to a resource with this policy in it. 0: nobody uses it (reason `NoSubscribers`). */
  readonly subscribers: number;
  /** Of those, how many have accepted the newest version of every such resource. */
  readonly acknowledged: number;
  /** Of those, how many have rejected the newest version of one. The rest has not answered yet. */
  readonly rejected: number;
  /** What one of them said, cut short and without control characters: it comes from a proxy and is not to be believed. */
  readonly sampleReason?: string;
}
