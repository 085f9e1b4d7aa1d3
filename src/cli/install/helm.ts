import { spawn } from 'node:child_process';
import { MeshError } from '../../base/index.js';

/** Runs Helm and gives what it prints. Throws with its own words where it fails. */
export type Helm = (args: readonly string[]) => Promise<string>;

/** The cluster that the global options of this program name. */
export interface HelmTarget {
  readonly kubeconfig?: string | undefined;
  readonly context?: string | undefined;
}

/** Helm as it is on the path, for the same cluster as this program. */
export function helmOf({ kubeconfig, context }: HelmTarget, command = 'helm'): Helm {
  const at = [
    ...(kubeconfig === undefined ? [] : ['--kubeconfig', kubeconfig]),
    ...(context === undefined ? [] : ['--kube-context', context]),
  ];
  return (args) =>
    new Promise((done, fail) => {
      const child = spawn(command, [...args, ...at], { stdio: ['ignore', 'pipe', 'pipe'] });
      let [out, errors] = ['', ''];
      child.stdout.on('data', (text: Buffer) => (out += text.toString()));
      child.stderr.on('data', (text: Buffer) => (errors += text.toString()));
      child.on('error', (cause: NodeJS.ErrnoException) =>
        fail(cause.code === 'ENOENT' ? absent(cause) : MeshError.from(cause)),
      );
      child.on('close', (code) => {
        if (code === 0) done(out);
        else
          fail(
            new MeshError(
              'precondition',
              `helm ${args[0] ?? ''}: ${errors.trim() || `ended with ${code ?? 'a signal'}`}`,
            ),
          );
      });
    });
}

function absent(cause: Error): MeshError {
  return new MeshError(
    'precondition',
    'helm is not on the path; install Helm 3.14 or newer (https://helm.sh), or apply the manifests of the repository: kubectl apply --server-side -f deploy/namespace.yaml,deploy/crds.yaml,deploy/weft.yaml',
    { cause },
  );
}
