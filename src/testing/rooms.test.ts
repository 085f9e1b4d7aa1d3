import { readdirSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { ESLint } from 'eslint';
import tseslint from 'typescript-eslint';

/** From top to bottom, as CONTRIBUTING.md says it; the configuration of ESLint must agree. */
const ROOMS =
  'cli dashboard admission controller xds telemetry proxies identity model api kube grpc base wire'.split(
    ' ',
  );

/** Every folder of a room, however deep. */
const folders = ROOMS.flatMap((room) => [
  join('src', room),
  ...readdirSync(join('src', room), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name)),
]).filter((folder) => !folder.startsWith('src/wire/'));

/** A file that the resolver finds in each place. */
const ENTRY: Readonly<Record<string, string>> = {
  cli: 'src/cli/main.js',
  wire: 'src/wire/gen/weft/v1/workload_pb.js',
};
const entryOf = (room: string): string => ENTRY[room] ?? `src/${room}/index.js`;

let eslint: ESLint;
beforeAll(() => {
  eslint = new ESLint({
    // The files below do not exist, so nothing is known of their types.
    overrideConfig: [tseslint.configs.disableTypeChecked],
    ruleFilter: ({ ruleId }) => ruleId === 'import-x/no-restricted-paths',
  });
});

/** The imports, of these, that are refused in this file. */
async function refused(file: string, imported: readonly string[]): Promise<readonly string[]> {
  const specifier = (path: string): string => {
    const relativePath = relative(dirname(file), path);
    return relativePath.startsWith('.') ? relativePath : `./${relativePath}`;
  };
  const code = imported.map((path) => `import '${specifier(path)}';\n`).join('');
  const [result] = await eslint.lintText(code, { filePath: file });
  return (result?.messages ?? []).map(({ line, ruleId, message }) => {
    if (ruleId !== 'import-x/no-restricted-paths') throw new Error(message);
    return imported[line - 1] ?? '';
  });
}

test('every folder of src is a room, or one of the two beside them', () => {
  const present = readdirSync('src', { withFileTypes: true }).filter((entry) => entry.isDirectory());
  expect(present.map(({ name }) => name).sort()).toEqual([...ROOMS, 'testing'].sort());
});

describe.each(folders)('%s', (folder) => {
  const room = folder.split('/')[1] ?? '';
  const above = ROOMS.slice(0, ROOMS.indexOf(room)).map(entryOf);
  const below = ROOMS.slice(ROOMS.indexOf(room)).map(entryOf);
  const around = ['src/testing/index.js', 'e2e/support/weft.js', 'bench/main.js'];
  const composition = ['src/main.js', 'src/servers.js', 'src/config.js'];

  test.each(['new.ts', 'new.tsx'])('%s may import what is below, and nothing above', async (name) => {
    const forbidden = [...above, ...around, ...(room === 'cli' ? [] : composition)];
    expect(await refused(join(folder, name), [...forbidden, ...below])).toEqual(forbidden);
  });

  test('a test may look from anywhere', async () => {
    expect(await refused(join(folder, 'new.test.ts'), [...above, ...around])).toEqual([]);
  });
});

test.each([
  ['words', ['read', 'tables', 'compile', 'judge']],
  ['read', ['tables', 'compile', 'judge']],
  ['read/gateway-api', ['tables', 'compile', 'judge']],
  ['tables', ['read', 'compile', 'judge']],
  ['compile', ['read', 'judge']],
  ['judge', ['read']],
])('src/model/%s imports none of %j', async (folder, forbidden) => {
  const entries = ['words/keys', 'read/to-policy', 'tables/mesh', 'compile/resolve', 'judge/judge'].map(
    (entry) => `src/model/${entry}.js`,
  );
  const expected = entries.filter((entry) => forbidden.includes(entry.split('/')[2] ?? ''));
  expect(await refused(`src/model/${folder}/new.ts`, entries)).toEqual(expected);
});

test('the settings know the base alone, and the composition nothing that tests', async () => {
  const rooms = ROOMS.filter((room) => room !== 'base').map(entryOf);
  expect(await refused('src/config.ts', ['src/base/index.js', ...rooms])).toEqual(rooms);
  for (const file of ['src/main.ts', 'src/servers.ts']) {
    expect(await refused(file, ['src/testing/index.js', 'src/cli/main.js', 'src/xds/index.js'])).toEqual([
      'src/testing/index.js',
      'src/cli/main.js',
    ]);
  }
});
