import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { inPod, until } from '../netns/process.js';
import { COLLECTIONS, NAMESPACE } from '../scenarios/objects.js';
import type { Ground } from './ground.js';

/** A server that others wrote, behind the proxy. */
export interface RealServer {
  readonly name: string;
  /** The port at which it speaks HTTP/1.1. */
  readonly http1: number;
  /** Where it speaks HTTP/2 without TLS; absent: nowhere. */
  readonly http2?: number;
}

/** Eight servers on six implementations of HTTP. Each has options on that read more forms as the same. */
export const SERVERS: readonly RealServer[] = [
  { name: 'nginx', http1: 8101, http2: 8102 },
  { name: 'apache', http1: 8103, http2: 8103 },
  { name: 'go', http1: 8104, http2: 8104 },
  { name: 'node', http1: 8105, http2: 8106 },
  { name: 'express', http1: 8107 },
  { name: 'python', http1: 8108 },
  { name: 'wsgi', http1: 8109 },
  { name: 'tomcat', http1: 8110, http2: 8110 },
];

export const SERVER_PORTS = [...new Set(SERVERS.flatMap(({ http1, http2 = http1 }) => [http1, http2]))];

/** As Debian's package libtomcat10-java has it. */
const TOMCAT = [
  ...['api', 'catalina', 'coyote', 'juli', 'util', 'util-scan', 'servlet-api', 'annotations-api', 'jni'],
  ...['jaspic-api', 'el-api', 'jsp-api'],
]
  .map((name) => `/usr/share/java/tomcat10-${name}.jar`)
  .join(':');

/** Starts all of them in the pod, over one tree of files: `/admin/users`, `/public/x` and what forms go through on their way. */
export async function startServers(ground: Ground, goServer: string): Promise<void> {
  const folder = join(ground.world.directory, 'servers');
  const files = join(folder, 'files');
  for (const area of ['admin/users', 'public/x', 'x/y']) await mkdir(join(files, area), { recursive: true });
  for (const area of ['admin', 'admin/users', 'public', 'public/x'])
    await writeFile(join(files, area, 'index.html'), area);
  await writeFile(join(folder, 'nginx.conf'), nginx(folder, files));
  await writeFile(join(folder, 'apache.conf'), apache(folder, files));
  declare(ground);
  const own = (name: string): string => resolve('e2e/security/servers', name);
  const { execPath } = process;
  ground.run('nginx', ['nginx', '-p', folder, '-c', join(folder, 'nginx.conf')]);
  ground.run('apache', ['apache2', '-X', '-f', join(folder, 'apache.conf')]);
  ground.run('go', [goServer, files, '0.0.0.0:8104']);
  ground.run('node', [execPath, own('node.mjs'), files, '8105', '8106']);
  ground.run('express', [execPath, own('express.mjs'), files, '8107']);
  ground.run('python', ['/usr/bin/python3', own('serve.py'), files, '8108', '8109']);
  ground.run('tomcat', ['java', '-cp', TOMCAT, own('Servlets.java'), folder, '8110']);
  for (const port of SERVER_PORTS)
    await until(
      `somebody listens at ${port}`,
      async () => inPod('server', 'bash', '-c', `exec 3<>/dev/tcp/127.0.0.1/${port}`),
      120,
    );
}

/** A Service with a port for each, so that each is read as HTTP. */
function declare(ground: Ground): void {
  const ports = SERVER_PORTS.map((port) => ({
    name: `http-${port}`,
    port,
    targetPort: port,
    protocol: 'TCP',
    appProtocol: 'http',
  }));
  const [ip] = ['10.96.0.6'];
  const spec = { clusterIP: ip, clusterIPs: [ip], ports, selector: { app: 'server' } };
  ground.world.api.put(COLLECTIONS.services, { metadata: { name: 'servers', namespace: NAMESPACE }, spec });
}

/** It merges slashes, decodes and takes dots away before it looks for a location; underscores in names of headers stay. */
function nginx(folder: string, files: string): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((kind) => `${kind}_temp_path ${folder}/${kind};`)
    .join(' ');
  return `
daemon off; master_process off; user root; pid ${folder}/nginx.pid; error_log stderr crit;
events { worker_connections 1024; }
http {
  access_log off; underscores_in_headers on; ${temporary}
  map $uri $area { "~^/admin(/|$)" admin; "~^/public(/|$)" public; default ""; }
  add_header x-served $area always;
  add_header x-read $http_x_group always;
  server { listen 8101; listen 8102 http2; root ${files}; }
}
`;
}

/** Encoded slashes are decoded: by default it answers 404. */
function apache(folder: string, files: string): string {
  const module = (name: string): string =>
    `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`;
  return `
${['mpm_event', 'authz_core', 'headers', 'http2'].map(module).join('\n')}
ServerName server
DefaultRuntimeDir ${folder}
PidFile ${folder}/apache.pid
ErrorLog ${folder}/apache.log
LogLevel crit
Listen 0.0.0.0:8103
User www-data
Group www-data
Protocols h2c http/1.1
H2Direct on
AllowEncodedSlashes On
DocumentRoot ${files}
<Directory "${files}">
  Require all granted
  Header always set x-read "expr=%{HTTP:x-group}" "expr=-n %{HTTP:x-group}"
</Directory>
<Directory "${files}/admin">
  Header always set x-served admin
</Directory>
<Directory "${files}/public">
  Header always set x-served public
</Directory>
`;
}
