/** One command of the page, as a person types it after `weft`. */
export interface Shown {
  readonly words: string;
  /** What it tells, in a sentence. */
  readonly says: string;
  /** It goes on until it is stopped: what it showed first counts. */
  readonly goesOn?: true;
}

/** The file that `weft diff` is asked about, and what stands for it on the page. */
export const CHANGED_FILE = 'e2e/transcripts/canary-half.yaml';
export const CHANGED_NAME = 'canary-half.yaml';

/** Every command that answers and ends, on the demo shop, while it has traffic. */
export const SHOWN: readonly Shown[] = [
  { words: 'version', says: 'Versions of both sides, and what does not go together.' },
  { words: 'check', says: 'Whether the installation is in order.' },
  { words: 'status -n shop', says: 'Policies with their conditions, namespaces with their pods.' },
  { words: 'stat -n shop', says: 'How well workloads answer.' },
  { words: 'stat svc -n shop', says: 'The same of Services, as their callers see them.' },
  { words: 'edges -n shop -o wide', says: 'Who calls whom, under which identity, and who is refused.' },
  {
    words: 'routes reviews -n shop -o wide',
    says: 'Each route of a Service with its backends: the canary of the demo.',
  },
  { words: 'top -n shop', says: 'The busiest calls, again each second.', goesOn: true },
  {
    words: 'tap deploy/web -n shop --to reviews --side caller --max 5 --for 60s',
    says: 'Requests as they end.',
  },
  {
    words: 'trace deploy/web -n shop --to reviews --timeout 60s',
    says: 'The next request, stage by stage, on both sides.',
  },
  {
    words: 'explain deploy/web -n shop http://reviews:8080/ -H x-group:beta',
    says: 'What would become of a request that nobody has sent.',
  },
  {
    words: 'authz can-i shop/web shop/reviews GET / --port 8080',
    says: 'Whether one workload may call another, and by whose word.',
  },
  { words: 'authz who-can shop/reviews', says: 'Who may call a Service.' },
  {
    words: `diff -f ${CHANGED_FILE}`,
    says: 'What a change would do before it is applied: here half of the requests to v2.',
  },
  { words: 'analyze -n shop', says: 'Mistakes in what is written down.' },
  { words: 'egress -n shop', says: 'Who calls what outside the mesh.' },
  { words: 'proxy config deploy/web -n shop', says: 'The configuration that one proxy has.' },
  { words: 'proxy certs deploy/web -n shop', says: 'Its certificate, and whom it believes.' },
  { words: 'proxy log deploy/web -n shop', says: 'What it logs.' },
  { words: 'proxy metrics deploy/web -n shop', says: 'What it counts.' },
  { words: 'inject -f e2e/demo/shop.yaml', says: 'Manifests with their proxies.' },
  { words: 'upgrade --dry-run --set image.tag=0.2.0', says: 'What an upgrade to this program would change.' },
  { words: 'completion bash', says: 'Completion for a shell.' },
];

/** Commands without a transcript, with the reason. */
export const NOT_SHOWN: Readonly<Record<string, string>> = {
  controller: 'is the control plane',
  install: 'is refused where the control plane is installed already',
  uninstall: 'is refused while pods have their proxies',
  identity: 'replaces the authority; docs/operations.md shows it',
  dashboard: 'is a page',
  mcp: 'speaks to a program',
  'bug-report': 'writes a file; docs/cli.md shows what it prints',
};
