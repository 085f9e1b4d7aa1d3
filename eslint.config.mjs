// Keeps the house in order: imports point down the list of rooms, and sizes stay readable.
import importX from 'eslint-plugin-import-x';
import tseslint from 'typescript-eslint';

/** Rooms from top to bottom; a room may import from those after it. `wire` is generated and open to all. */
const ROOMS = [
  'cli',
  'dashboard',
  'admission',
  'controller',
  'xds',
  'identity',
  'model',
  'api',
  'kube',
  'base',
];

/** For each room, everything above it is out of bounds. */
const zones = ROOMS.map((room, i) => ({
  target: `./src/${room}/!(*.test).ts`,
  from: ROOMS.slice(0, i).map((above) => `./src/${above}`),
  message: `src/${room} may import only from the rooms below it: ${ROOMS.slice(i + 1).join(', ')}.`,
})).filter((zone) => zone.from.length > 0);

export default tseslint.config(
  { ignores: ['dist/**', 'node_modules/**', 'src/wire/gen/**', '**/*.mjs', '**/*.cjs', 'proxy/**'] },
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    plugins: { 'import-x': importX },
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
);
