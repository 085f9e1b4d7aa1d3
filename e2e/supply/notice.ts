import type { Part } from './part.js';

/** The notices that licences ask for: which packages are in our programs, and each licence text once. */
export function notice(programs: readonly Part[]): string {
  const users = new Map<string, string[]>();
  const lists = programs.map((program) => {
    for (const part of [program, ...program.parts]) {
      for (const text of part.texts)
        users.set(text, [...(users.get(text) ?? []), `${part.name} ${part.version}`]);
    }
    const lines = program.parts.map(
      ({ name, version, licence }) => `  ${name} ${version} (${licence ?? 'see below'})`,
    );
    return [`${program.name} ${program.version} contains:`, ...lines].join('\n');
  });
  const texts = [...users].map(([text, names]) => [RULE, ...names, '', text].join('\n'));
  return `${[HEAD, ...lists, ...texts].join('\n\n')}\n`;
}

const RULE = '-'.repeat(80);
const HEAD = `Weft is under the Apache License 2.0. Its image contains software of others, which is listed here with its licences.
Packages of Debian have theirs in /usr/share/doc/PACKAGE/copyright.`;
