import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { toJsonString } from '@bufbuild/protobuf';
import { parse } from 'yaml';
import {
  encodeDestination,
  encodeWorkload,
  toWireDestination,
  toWireWorkload,
} from '../../xds/resources/index.js';
import { DestinationSchema } from '../gen/weft/v1/destination_pb.js';
import { WorkloadSchema } from '../gen/weft/v1/workload_pb.js';
import { goldenCase } from './case.js';

/** For each `.yaml` of a folder the bytes a proxy gets (`.pb`) and the same message to read (`.json`), by file name. */
export function renderGolden(folder: string): ReadonlyMap<string, Uint8Array> {
  const cases = readdirSync(folder).filter((name) => name.endsWith('.yaml'));
  return new Map(
    cases.flatMap((name) => {
      const { bytes, json } = render(parse(readFileSync(join(folder, name), 'utf8')));
      const stem = name.slice(0, -'.yaml'.length);
      return [
        [`${stem}.pb`, bytes] as const,
        [`${stem}.json`, new TextEncoder().encode(`${json}\n`)] as const,
      ];
    }),
  );
}

const PRETTY = { prettySpaces: 2, useProtoFieldName: true };

function render(document: unknown): { readonly bytes: Uint8Array; readonly json: string } {
  const parsed = goldenCase.parse(document);
  if ('destination' in parsed) {
    const json = toJsonString(DestinationSchema, toWireDestination(parsed.destination), PRETTY);
    return { bytes: encodeDestination(parsed.destination).bytes, json };
  }
  const json = toJsonString(WorkloadSchema, toWireWorkload(parsed.workload), PRETTY);
  return { bytes: encodeWorkload(parsed.workload).bytes, json };
}
