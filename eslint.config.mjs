// Keeps the house in order: imports point down the list of rooms, and sizes stay readable.
import importX, { createNodeResolver } from 'eslint-plugin-import-x';
import tseslint from 'typescript-eslint';

/** Rooms from top to bottom; a room may import from those after it. `wire` is generated and open to all. */
const ROOMS = [
  'cli',
  'dashboard',
  'admission',
  'controller',
  'xds',
  'telemetry',
  'proxies',
  'identity',
  'model',
  'api',
  'kube',
  'grpc',
  'base',
  'wire',
];

/** Folders of the model, each with those that it may import from. */
const MODEL = [
  ['words', []],
  ['read', ['words']],
  ['tables', ['words']],
  ['compile', ['words', 'tables']],
  ['judge', ['words', 'tables', 'compile']],
];

/** Composition of the control plane and its settings: only `cli`, where the process starts, may know them. */
const COMPOSITION = ['./src/main.ts', './src/servers.ts', './src/config.ts'];
/** What only tests and measurements use. */
const AROUND = ['./src/testing', './e2e', './bench'];

/** For each room, and for each file beside the rooms, what is out of bounds. A folder counts with all that it holds. */
const zones = [
  ...ROOMS.map((room, i) => ({
    target: `./src/${room}`,
    from: [
      ...AROUND,
      ...(room === 'cli' ? [] : COMPOSITION),
      ...ROOMS.slice(0, i).map((above) => `./src/${above}`),
    ],
    message: `src/${room} may import only from the rooms below it: ${ROOMS.slice(i + 1).join(', ') || 'none'}.`,
  })),
  ...MODEL.map(([folder, below]) => ({
    target: `./src/model/${folder}`,
    from: MODEL.filter(([other]) => other !== folder && !below.includes(other)).map(
      ([other]) => `./src/model/${other}`,
    ),
    message: `src/model/${folder} may import from ${below.map((other) => `src/model/${other}`).join(', ') || 'no other folder of the model'} only.`,
  })),
  {
    target: './src/config.ts',
    from: [
      ...AROUND,
      './src/main.ts',
      './src/servers.ts',
      ...ROOMS.filter((room) => room !== 'base').map((room) => `./src/${room}`),
    ],
    message: 'src/config.ts reads the environment and knows only src/base.',
  },
  {
    target: ['./src/main.ts', './src/servers.ts'],
    from: [...AROUND, './src/cli', './src/dashboard'],
    message: 'The control plane is put together from its rooms alone.',
  },
  {
    target: './src/testing',
    from: ['./e2e', './bench'],
    message: 'src/testing serves tests beside the code.',
  },
];

export default tseslint.config(
  { ignores: ['dist/**', 'node_modules/**', 'src/wire/gen/**', '**/*.mjs', '**/*.cjs', 'proxy/**'] },
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    plugins: { 'import-x': importX },
    // Imports name the file as it will be built (`x.js`); without the alias nothing resolves, and nothing is judged.
    settings: {
      'import-x/resolver-next': [createNodeResolver({ extensionAlias: { '.js': ['.ts', '.tsx', '.js'] } })],
    },
    rules: {
      complexity: ['error', 10],
      'max-depth': ['error', 3],
      'max-params': ['error', 4],
      'max-lines': ['error', { max: 500, skipBlankLines: false, skipComments: false }],
      'no-restricted-properties': [
        'error',
        {
          object: 'process',
          property: 'env',
          message: 'src/config.ts is the only reader of the environment.',
        },
      ],
      'no-restricted-syntax': [
        'error',
        { selector: 'ExportDefaultDeclaration', message: 'Name what you export.' },
        { selector: 'ExportAllDeclaration[exported=null]', message: 'List what the folder exports.' },
      ],
      'import-x/no-restricted-paths': ['error', { zones }],
      '@typescript-eslint/explicit-module-boundary-types': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
    },
  },
  {
    // One wall around the client library, and one room that talks to the terminal and the environment.
    files: ['src/**/*.ts', 'src/**/*.tsx'],
    ignores: ['src/kube/**'],
    rules: {
      'no-restricted-imports': [
        'error',
        { paths: [{ name: '@kubernetes/client-node', message: 'Go through src/kube.' }] },
      ],
    },
  },
  {
    files: ['**/*.test.ts', 'e2e/**/*.ts', 'src/testing/**/*.ts', 'src/config.ts'],
    rules: {
      'no-restricted-properties': 'off',
      'max-params': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/explicit-module-boundary-types': 'off',
    },
  },
  {
    // A test may look at its subject from any room.
    files: ['**/*.test.ts', '**/*.fixture.ts'],
    rules: { 'import-x/no-restricted-paths': 'off' },
  },
);
