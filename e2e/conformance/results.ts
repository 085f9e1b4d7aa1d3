/** An event of `go tool test2json`, as far as it is read here. */
export interface TestEvent {
  readonly Action: string;
  /** With its parents, joined by slashes; absent for the program as a whole. */
  readonly Test?: string;
  readonly Output?: string;
  /** When it happened, in RFC 3339. */
  readonly Time?: string;
}

type Result = 'running' | 'pass' | 'fail' | 'skip';

export interface Subtest {
  readonly name: string;
  result: Result;
  /** The last thing that the suite found wrong, also where it was right in the end. */
  complaint: string;
}

export interface SuiteTest extends Subtest {
  readonly subtests: Map<string, Subtest>;
  /** Unix milliseconds. */
  readonly began: number;
  /** Until its last subtest ended; Go's own figure leaves out those that run side by side. */
  seconds: number;
}

/** The Go test that holds all others. */
const ROOT = 'TestConformance';

/** What the suite's tests came to, gathered from its events. */
export class Results {
  private readonly all = new Map<string, SuiteTest>();
  /** What was wrong before or between the tests, such as pods that do not become ready. */
  private complaint = '';

  /** Tests that ran, in their order; the suite skips those whose features nobody asked for. */
  get tests(): SuiteTest[] {
    return [...this.all.values()].filter(({ result }) => result !== 'skip');
  }

  get met(): SuiteTest[] {
    return this.tests.filter(isMet);
  }

  /** Takes one event; gives the test that ended with it. */
  add(event: TestEvent): SuiteTest | undefined {
    const [root, name, ...rest] = (event.Test ?? '').split('/');
    const complaint = complaintIn(event.Output ?? '');
    if (root === ROOT && name !== undefined) return this.note(event, name, rest.join('/'), complaint);
    this.complaint = complaint ?? this.complaint;
    return undefined;
  }

  private note(event: TestEvent, name: string, sub: string, complaint?: string): SuiteTest | undefined {
    const test = this.test(name, event);
    const entry = sub === '' ? test : subtestOf(test, sub);
    const result = resultOf(event);
    entry.complaint = complaint ?? entry.complaint;
    entry.result = result ?? entry.result;
    if (entry !== test || result === undefined) return undefined;
    test.seconds = (instant(event) - test.began) / 1000;
    return result === 'skip' ? undefined : test;
  }

  /** Why nothing, or not everything, ran; empty where the suite said nothing. */
  get trouble(): string {
    return this.complaint;
  }

  private test(name: string, event: TestEvent): SuiteTest {
    const known = this.all.get(name);
    if (known !== undefined) return known;
    const began = instant(event);
    const test: SuiteTest = {
      name,
      result: 'running',
      complaint: '',
      subtests: new Map(),
      began,
      seconds: 0,
    };
    this.all.set(name, test);
    return test;
  }
}

/** A test is met when it and all its subtests passed; one that skipped a subtest is not. */
export function isMet(test: SuiteTest): boolean {
  return test.result === 'pass' && [...test.subtests.values()].every(({ result }) => result === 'pass');
}

function subtestOf(test: SuiteTest, name: string): Subtest {
  const known = test.subtests.get(name);
  if (known !== undefined) return known;
  const subtest: Subtest = { name, result: 'running', complaint: '' };
  test.subtests.set(name, subtest);
  return subtest;
}

function resultOf({ Action }: TestEvent): Result | undefined {
  return Action === 'pass' || Action === 'fail' || Action === 'skip' ? Action : undefined;
}

function instant({ Time }: TestEvent): number {
  return Date.parse(Time ?? '');
}

/** How the suite's log says what was not as it should be; the more exact form first. */
const COMPLAINTS = [
  /not ready yet: (.*?)(?: \(after .*)?$/,
  /(?:Error|Messages|panic): +(.*)$/,
  /: (\S.*failed.*)$/i,
];

function complaintIn(output: string): string | undefined {
  return COMPLAINTS.map((form) => form.exec(output.trimEnd())?.[1]).find((found) => found !== undefined);
}
