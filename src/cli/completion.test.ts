import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import type { Command } from 'commander';
import { completion } from './completion.js';
import { program } from './program.js';

const script = join(mkdtempSync(join(tmpdir(), 'weft-')), 'weft.bash');
writeFileSync(script, completion(program(), 'bash'));

/** What a real bash offers after these words; the last one is being typed. */
function offered(...words: string[]): readonly string[] {
  const typed = ['weft', ...words].map((word) => `'${word}'`).join(' ');
  const code = `source ${script}; COMP_WORDS=(${typed}); COMP_CWORD=${words.length}; _weft_completion; printf '%s\\n' "\${COMPREPLY[@]}"`;
  return execFileSync('bash', ['-c', code], { encoding: 'utf8' }).trim().split('\n');
}

test('bash offers commands, those below them, options and their values', () => {
  expect(offered('an')).toEqual(['analyze']);
  expect(offered('authz', 'c')).toEqual(expect.arrayContaining(['can-i', 'convert']));
  expect(offered('analyze', '--str')).toEqual(['--strict']);
  expect(offered('analyze', '-o', '')).toEqual(['text', 'json', 'sarif']);
  expect(offered('diff', '-o', 's')).toEqual(['']);
  expect(offered('authz', 'who-can', 'shop/reviews', '--na')).toEqual(['--namespace']);
});

test('every command of the program is offered where it stands', () => {
  for (const command of program().commands) {
    expect(offered(command.name())).toContain(command.name());
    for (const below of command.commands)
      expect(offered(command.name(), below.name())).toContain(below.name());
  }
});

test('zsh gets the same by its own means for that, fish each command and option in a line', () => {
  expect(completion(program(), 'zsh')).toMatch(
    /^#compdef weft\nautoload -U \+X bashcompinit && bashcompinit\n/,
  );
  const fish = completion(program(), 'fish');
  expect(fish).toContain("-a analyze -d '");
  expect(fish).toMatch(/complete -c weft -n '__weft_at "analyze"' -s o -l output -x -a 'text json sarif'/);
});

test('a shell that is not known is named with those that are', () => {
  expect(() => completion(program(), 'tcsh')).toThrow('tcsh is not one of bash, zsh, fish');
});

test('the program says by which name it was called', () => {
  expect(program('kubectl weft').helpInformation()).toMatch(/^Usage: kubectl weft /);
  expect(program().helpInformation()).toMatch(/^Usage: weft /);
});

interface Row {
  readonly command: string;
  readonly options: readonly string[];
  readonly forms: string;
  readonly codes: string;
}

/** What the program has, by its own definitions. */
function defined(command: Command, path: string): readonly Row[] {
  const below = command.commands.flatMap((one) => defined(one, `${path} ${one.name()}`));
  if (command.options.length === 0 && below.length > 0) return below;
  const output = command.options.find(({ long }) => long === '--output');
  const options = command.options.filter((option) => option !== output).map(({ long }) => long ?? '');
  let help = '';
  command.configureOutput({ writeOut: (text) => (help += text) }).outputHelp();
  const [, said = ''] = /Exit codes: ([^]*?)(\n\n|$)/.exec(help) ?? [];
  const codes = [...said.matchAll(/\b([0-2]) /g)].map(([, code]) => code);
  const row = {
    command: path,
    options: options.sort(),
    forms: output?.argChoices?.join(', ') ?? '',
    codes: codes.join(', '),
  };
  return [...below, row];
}

test('the table of the page about the program is what the program has', () => {
  const [, table = ''] = readFileSync('docs/cli.md', 'utf8').split('## Options and exit codes');
  const written = [...table.matchAll(/^\| `(weft [a-z -]+)` +\| (.*?) *\| (.*?) *\| ([0-2, ]+?) *\|$/gm)].map(
    ([, command = '', options = '', forms = '', codes = '']): Row => ({
      command,
      options: [...options.matchAll(/`(--[a-z-]+)`/g)].map(([, name]) => name ?? '').sort(),
      forms: forms.trim(),
      codes,
    }),
  );
  const there = program().commands.flatMap((command) => defined(command, `weft ${command.name()}`));
  const byName = (a: Row, b: Row): number => (a.command < b.command ? -1 : 1);
  // Exit codes are no part of a definition: the help of those that scripts ask says them.
  const found = written.toSorted(byName);
  const saying = found.map((row, index) => there.toSorted(byName)[index]?.codes || row.codes);
  expect(found).toEqual(there.toSorted(byName).map((row, index) => ({ ...row, codes: saying[index] })));
});

test('the page about the program names no command that there is not', () => {
  const known = program().commands.map((command) => command.name());
  const named = [...readFileSync('docs/cli.md', 'utf8').matchAll(/\| `weft ([a-z-]+)` +\|/g)].map(
    ([, name]) => name ?? '',
  );
  expect(named.length).toBeGreaterThan(10);
  expect(named.filter((name) => !known.includes(name))).toEqual([]);
});
