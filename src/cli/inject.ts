import jsonPatch from 'fast-json-patch';
import { stringify } from 'yaml';
import { z } from 'zod';
import { AS_KUBECTL, podTemplateOf } from '../api/index.js';
import {
  injectionHandler,
  type InjectionSettings,
  type Namespace,
  type Outcome,
} from '../admission/index.js';
import { MeshError, createLogger, names } from '../base/index.js';
import { readManifests } from './manifests.js';

export interface InjectOptions {
  /** Files of YAML or JSON, `-` for standard input. */
  readonly files: readonly string[];
  readonly settings: InjectionSettings;
}

/** The manifests as YAML, and what to tell about them. */
export interface Injected {
  readonly manifests: string;
  readonly notes: readonly string[];
}

/**
 * Does to the pods of manifests what the webhook does to those of a labelled namespace, without a cluster: to look at, or
 * to apply where there is no webhook. Everything else comes out as it went in. Throws `invalid` where the webhook would
 * refuse a pod.
 */
export async function inject({ files, settings }: InjectOptions): Promise<Injected> {
  const notes: string[] = [];
  const ask = podWebhook(settings);
  const namespace = { labels: { [names.Label.inject]: 'enabled', [names.Label.rev]: settings.revision } };
  const documents = (await Promise.all(files.map(readManifests))).flat();
  const done: string[] = [];
  for (const document of documents) {
    const place = podTemplateOf(document);
    const outcome = place === undefined ? undefined : await ask(place.pod, namespace);
    if (place !== undefined && outcome !== undefined) {
      applyOutcome(place.pod, outcome, titleOf(document), notes);
    }
    done.push(stringify(document, { ...AS_KUBECTL, lineWidth: 0, aliasDuplicateObjects: false }));
  }
  return { manifests: done.join('---\n'), notes };
}

/** What the chart's values are by default, as far as pods show it. */
export const CHART_DEFAULTS = {
  proxyLog: 'info',
  resources: { cpuRequest: '10m', memoryRequest: '16Mi', memoryLimit: '128Mi' },
  scrapeAnnotations: false,
  nativeSidecar: true,
  podCertificates: { choice: 'Off' },
  capture: 'InitContainer',
} as const;

/** Asks the webhook about a pod of a namespace. */
export type PodWebhook = (pod: object, namespace: Namespace) => Promise<Outcome>;

/** The webhook as the chart installs it, without a server. */
export function podWebhook(settings: InjectionSettings): PodWebhook {
  return async (pod, namespace) => {
    const handler = injectionHandler({
      settings: () => settings,
      namespaceOf: () => namespace,
      log: createLogger({ level: 'silent' }),
      skipped: () => undefined,
    });
    return handler(requestOf(pod), new AbortController().signal);
  };
}

/** As the API server asks about the creation of a pod. */
function requestOf(pod: object): Parameters<ReturnType<typeof injectionHandler>>[0] {
  return {
    uid: 'weft-inject',
    operation: 'CREATE',
    namespace: '',
    resource: { group: '', version: 'v1', resource: 'pods' },
    object: pod,
  };
}

/** Changes the pod in its place in the document. */
function applyOutcome(pod: object, outcome: Outcome, title: string, notes: string[]): void {
  switch (outcome.kind) {
    case 'allowed':
      return;
    case 'denied':
    case 'errored':
      throw new MeshError('invalid', `${title}: ${outcome.message}`);
    case 'patched': {
      jsonPatch.applyPatch(pod, structuredClone(outcome.operations) as jsonPatch.Operation[], true, true);
      notes.push(...outcome.warnings.map((warning) => `${title}: ${warning}`));
      const decision = decisionOf(pod);
      if (decision.startsWith('skipped')) notes.push(`${title}: ${decision}`);
    }
  }
}

const decided = z.object({ metadata: z.object({ annotations: z.record(z.string(), z.string()) }) });

/** The decision that the webhook wrote on the pod. */
export function decisionOf(pod: object): string {
  const parsed = decided.safeParse(pod);
  return parsed.success ? (parsed.data.metadata.annotations[names.Annotation.injection] ?? '') : '';
}

const titled = z.object({ kind: z.string(), metadata: z.object({ name: z.string() }) });

function titleOf(document: unknown): string {
  const parsed = titled.safeParse(document);
  return parsed.success ? `${parsed.data.kind} ${parsed.data.metadata.name}` : 'an object without a name';
}
