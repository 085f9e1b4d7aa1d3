import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import parse from 'spdx-expression-parse';
import type { Part } from './part.js';

/** What may be compiled or bundled into our programs: licences that ask for notices at most. */
const ACCEPTED = new Set([
  '0BSD',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'BlueOak-1.0.0',
  'CC0-1.0',
  'ISC',
  'MIT',
  'MIT-0',
  'Python-2.0',
  'Unicode-3.0',
  'Unlicense',
  'Zlib',
]);

/** An SPDX expression of what publishers write; crates of old separate alternatives by a slash. */
export function spdx(written: string): string {
  return written.replace(/\s*\/\s*/g, ' OR ');
}

/** Why a part may not be compiled or bundled into what we ship; undefined: it may. */
export function objection({ name, version, licence }: Part): string | undefined {
  if (licence === undefined) return `${name} ${version} does not say under which licence it is`;
  let expression: parse.Info;
  try {
    expression = parse(licence);
  } catch {
    return `${name} ${version}: ${licence} is not an SPDX licence expression`;
  }
  return acceptable(expression)
    ? undefined
    : `${name} ${version} is under ${licence}, which is not among the accepted licences`;
}

function acceptable(info: parse.Info): boolean {
  if ('license' in info) return ACCEPTED.has(info.license);
  const [left, right] = [acceptable(info.left), acceptable(info.right)];
  return info.conjunction === 'or' ? left || right : left && right;
}

/** Licences, notices and copyright statements that a package has in its folder. */
export function textsIn(folder: string): readonly string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isFile() && /^(licen[cs]e|copying|copyright|notice|unlicense)/i.test(entry.name))
    .map(({ name }) => readFileSync(join(folder, name), 'utf8').trim())
    .filter((text) => text !== '')
    .sort();
}
