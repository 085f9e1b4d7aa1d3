import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { spawn } from 'node:child_process';
import { openSync } from 'node:fs';
import { parseAllDocuments } from 'yaml';
import { shell } from '../../src/testing/openssl.js';
import { NODE } from '../netns/network.js';
import { stop, until, type Process } from '../netns/process.js';

const PORT = 6443;
const ETCD = 'http://127.0.0.1:2379';
export const ISSUER = 'https://kubernetes.default.svc.cluster.local';

export interface Reply {
  readonly status: number;
  readonly body: {
    readonly metadata?: { readonly uid?: string };
    readonly status?: { readonly token?: string };
    readonly message?: string;
  };
}

/** Who asks: the administrator, or somebody whom the administrator stands in for. */
export type As = 'admin' | { readonly user: string } | { readonly token: string };

/**
 * Kubernetes' own API server with its own etcd, by itself on loopback: what it says of tokens and of rights nobody here made up.
 * Without controllers, so what they would make is made by hand.
 */
export class RealApiServer {
  readonly #processes: readonly Process[];
  readonly #ca: string;
  readonly #admin: string;
  /** Signs tokens of service accounts. PEM. */
  readonly signingKey: string;
  /** For clients of ours. */
  readonly kubeconfig: string;

  private constructor(parts: {
    processes: readonly Process[];
    ca: string;
    admin: string;
    signingKey: string;
    kubeconfig: string;
  }) {
    this.#processes = parts.processes;
    this.#ca = parts.ca;
    this.#admin = parts.admin;
    this.signingKey = parts.signingKey;
    this.kubeconfig = parts.kubeconfig;
  }

  static async start(bin: string, directory: string): Promise<RealApiServer> {
    await mkdir(directory, { recursive: true });
    const file = (name: string): string => join(directory, name);
    const { key = '' } = await shell('openssl genrsa -out key 2048 2>/dev/null', ['key']);
    const admin = randomBytes(16).toString('hex');
    await writeFile(file('key.pem'), key, { mode: 0o600 });
    await writeFile(file('tokens.csv'), `${admin},admin,admin,system:masters\n`, { mode: 0o600 });
    const etcd = begin(file('etcd.log'), join(bin, 'etcd'), [
      ...['--data-dir', file('etcd'), '--unsafe-no-fsync', '--log-level', 'error'],
      ...['--listen-client-urls', ETCD, '--advertise-client-urls', ETCD],
      ...[
        '--listen-peer-urls',
        'http://127.0.0.1:2380',
        '--initial-advertise-peer-urls',
        'http://127.0.0.1:2380',
      ],
      ...['--initial-cluster', 'default=http://127.0.0.1:2380'],
    ]);
    const server = begin(file('apiserver.log'), join(bin, 'kube-apiserver'), [
      ...['--etcd-servers', ETCD, '--bind-address', NODE, '--secure-port', String(PORT)],
      ...['--advertise-address', NODE, '--service-cluster-ip-range', '10.96.0.0/16'],
      ...['--authorization-mode', 'RBAC', '--token-auth-file', file('tokens.csv'), '--cert-dir', directory],
      ...['--service-account-issuer', ISSUER, '--service-account-key-file', file('key.pem')],
      ...[
        '--service-account-signing-key-file',
        file('key.pem'),
        '--disable-admission-plugins',
        'ServiceAccount',
      ],
    ]);
    const ca = await until(
      'the API server has a certificate',
      async () => readFile(file('apiserver.crt'), 'utf8'),
      30,
    );
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'it',
      contexts: [{ name: 'it', context: { cluster: 'it', user: 'it' } }],
      clusters: [
        {
          name: 'it',
          cluster: { server: `https://${NODE}:${PORT}`, 'certificate-authority': file('apiserver.crt') },
        },
      ],
      users: [{ name: 'it', user: { token: admin } }],
    };
    await writeFile(file('kubeconfig'), JSON.stringify(config), { mode: 0o600 });
    const parts = { processes: [server, etcd], ca, admin, signingKey: key, kubeconfig: file('kubeconfig') };
    const made = new RealApiServer(parts);
    const ready = async (): Promise<void> => {
      const { status } = await made.ask('GET', '/readyz');
      if (status !== 200) throw new Error(String(status));
    };
    await until('the API server is ready', ready, 150);
    return made;
  }

  async ask(method: string, path: string, body?: object, as: As = 'admin'): Promise<Reply> {
    const asked = request({
      host: NODE,
      port: PORT,
      ca: this.#ca,
      method,
      path,
      headers: {
        ...this.#credentials(as),
        'content-type': method === 'PATCH' ? 'application/merge-patch+json' : 'application/json',
      },
    });
    asked.end(body === undefined ? undefined : JSON.stringify(body));
    const [answer] = (await once(asked, 'response')) as [IncomingMessage];
    const said = await text(answer);
    const isJson = answer.headers['content-type']?.includes('json') === true;
    return { status: answer.statusCode ?? 0, body: (isJson ? JSON.parse(said) : {}) as Reply['body'] };
  }

  #credentials(as: As): Record<string, string> {
    if (as !== 'admin' && 'token' in as) return { authorization: `Bearer ${as.token}` };
    const admin = { authorization: `Bearer ${this.#admin}` };
    return as === 'admin' ? admin : { ...admin, 'impersonate-user': as.user };
  }

  /** Asks what must be answered with success. */
  async must(method: string, path: string, body?: object): Promise<Reply['body']> {
    const { status, body: answer } = await this.ask(method, path, body);
    if (status >= 300) throw new Error(`${method} ${path}: ${status} ${answer.message}`);
    return answer;
  }

  /** Our kinds and the roles for users, as the chart weft-crds has them. */
  async install(): Promise<void> {
    const folder = 'charts/weft-crds/templates';
    for (const name of await readdir(folder))
      for (const document of parseAllDocuments(await readFile(join(folder, name), 'utf8'))) {
        const object = document.toJS() as { kind: string; apiVersion: string };
        const plural = object.kind === 'ClusterRole' ? 'clusterroles' : 'customresourcedefinitions';
        await this.must('POST', `/apis/${object.apiVersion}/${plural}`, object);
      }
    await until('our kinds are served', async () => {
      for (const plural of ['meshroles', 'meshrolebindings', 'meshconfigs', 'trafficpolicies'])
        await this.must('GET', `/apis/weft.dev/v1alpha1/${plural}`);
    });
  }

  async close(): Promise<void> {
    await stop(this.#processes);
  }
}

function begin(log: string, program: string, flags: readonly string[]): Process {
  const output = openSync(log, 'a');
  const child = spawn(program, [...flags], { stdio: ['ignore', output, output] });
  if (child.pid === undefined) throw new Error(`cannot start ${program}`);
  return { name: program, pid: child.pid, child };
}
