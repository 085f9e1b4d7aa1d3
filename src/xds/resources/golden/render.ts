import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { toJsonString } from '@bufbuild/protobuf';
import { parse } from 'yaml';
import { encodeDestination, encodeWorkload, toWireDestination, toWireWorkload } from '../index.js';
import { DestinationSchema } from '../../../wire/gen/weft/v1/destination_pb.js';
import { WorkloadSchema } from '../../../wire/gen/weft/v1/workload_pb.js';
import { goldenCase } from './case.js';
import { renderVerdicts } from './verdicts.js';

/**
 * For each `.yaml` of a folder the bytes a proxy gets (`.pb`) and the same message to read (`.json`), by file name; and what has to
 * be said about calls to the pod of `workload-verdicts.yaml`.
 */
export function renderGolden(folder: string): ReadonlyMap<string, Uint8Array> {
  const cases = readdirSync(folder).filter((name) => name.endsWith('.yaml'));
  const read = (name: string): GoldenCase =>
    goldenCase.parse(parse(readFileSync(join(folder, name), 'utf8')));
  const rendered = cases.flatMap((name) => {
    const { bytes, json } = render(read(name));
    const stem = name.slice(0, -'.yaml'.length);
    return [[`${stem}.pb`, bytes] as const, [`${stem}.json`, encoded(`${json}\n`)] as const];
  });
  return new Map([...rendered, ['verdicts.tsv', encoded(verdicts(read('workload-verdicts.yaml')))]]);
}

type GoldenCase = ReturnType<typeof goldenCase.parse>;

function encoded(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function verdicts(parsed: GoldenCase): string {
  if (!('workload' in parsed) || parsed.workload.access === undefined)
    throw new Error('workload-verdicts.yaml has no access rules');
  return renderVerdicts(parsed.workload.access);
}

const PRETTY = { prettySpaces: 2, useProtoFieldName: true };

function render(parsed: GoldenCase): { readonly bytes: Uint8Array; readonly json: string } {
  if ('destination' in parsed) {
    const json = toJsonString(DestinationSchema, toWireDestination(parsed.destination), PRETTY);
    return { bytes: encodeDestination(parsed.destination).bytes, json };
  }
  const json = toJsonString(WorkloadSchema, toWireWorkload(parsed.workload), PRETTY);
  return { bytes: encodeWorkload(parsed.workload).bytes, json };
}
