// Reads the events of the Gateway API suite (go tool test2json) from standard input, tells how it goes, writes the whole
// list of tests to the file that is named, and ends with `conformance: N of 23 met`.
//
// usage: tally.ts FILE EXPECTED; EXPECTED is how many mesh tests options.yaml turns on, since a feature misspelt there would
// turn some off without a word
import { writeFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { type Subtest, type SuiteTest, type TestEvent, Results, isMet } from './results.js';

function subtests(test: SuiteTest, result?: Subtest['result']): Subtest[] {
  return [...test.subtests.values()].filter((subtest) => result === undefined || subtest.result === result);
}

/** Go writes the blanks of a name as underscores. */
function plain(name: string): string {
  return name.replaceAll('_', ' ');
}

function tell(test: SuiteTest): void {
  const passed = subtests(test, 'pass').length;
  const count = `${passed} of ${test.subtests.size} subtests`;
  console.log(
    `  ${isMet(test) ? 'ok  ' : 'FAIL'} ${test.name.padEnd(46)} ${count} ${test.seconds.toFixed(1).padStart(6)} s`,
  );
  if (isMet(test)) return;
  if (test.complaint !== '') console.log(`         ${test.complaint}`);
  for (const { name, result, complaint } of subtests(test)) {
    if (result !== 'pass') console.log(`         ${plain(name)}\n           ${complaint}`);
  }
}

function markdown({ tests, met }: Results, expected: number): string {
  const all = tests.flatMap((test) => subtests(test));
  const passed = all.filter(({ result }) => result === 'pass').length;
  const line = ({ name, result }: Subtest): string =>
    `${result === 'pass' ? 'passed' : '**failed**'}: ${plain(name)}`;
  return [
    '# The tests of the Gateway API suite, one by one',
    '',
    `Written by \`make conformance\`: ${met.length} of ${expected} tests met, ${passed} of ${all.length} subtests passed.`,
    '',
    ...tests.flatMap((test) => [
      `- ${line(test)}`,
      ...subtests(test).map((subtest) => `  - ${line(subtest)}`),
    ]),
    '',
  ].join('\n');
}

async function main(file: string, expected: number): Promise<void> {
  const results = new Results();
  for await (const line of createInterface({ input: process.stdin })) {
    const ended = results.add(JSON.parse(line) as TestEvent);
    if (ended !== undefined) tell(ended);
  }
  await writeFile(file, markdown(results, expected));
  const { tests, met, trouble } = results;
  if (tests.length !== expected) {
    console.log(
      `the suite ran ${tests.length} tests, and ${expected} were expected: ${trouble || 'see options.yaml'}`,
    );
  }
  console.log(`conformance: ${met.length} of ${expected} met`);
  process.exitCode = met.length === expected && tests.length === expected ? 0 : 1;
}

const [file = 'tests.md', expected] = process.argv.slice(2);
await main(file, Number(expected));
