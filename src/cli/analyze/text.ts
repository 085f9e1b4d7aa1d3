import type { Finding, Severity } from '../findings/index.js';
import { plural, type Page } from '../page.js';
import type { Analysis } from './index.js';

/** Findings by the objects they are in, for a person. */
export function findingsText({ findings, objects, gaps }: Analysis, page: Page): string {
  const byObject = Map.groupBy(findings, ({ object, source }) => `${object} (${source?.file ?? 'cluster'})`);
  const lines = [...byObject].flatMap(([title, own]) => {
    const [{ object, source } = { object: title, source: undefined }] = own;
    const head = `${page.strong(object)} ${page.faint(`(${source?.file ?? 'cluster'})`)}`;
    return [head, ...own.map((finding) => line(finding, page))];
  });
  return [
    ...lines,
    summary(findings, objects, page),
    ...gaps.map((gap) => page.caution(`note: ${gap}; what refers to it was not judged`)),
  ].join('\n');
}

function line({ code, severity, path, message, source }: Finding, page: Page): string {
  const mark = { error: page.bad, warning: page.caution, note: page.strong }[severity];
  const word = severity === 'error' ? '' : `${severity}: `;
  const place = source === undefined ? code : `${code}, line ${source.line}`;
  return `  ${mark(path === '' ? 'object' : path)}: ${word}${message} ${page.faint(`[${place}]`)}`;
}

const SEVERITIES: readonly Severity[] = ['error', 'warning', 'note'];

function summary(findings: readonly Finding[], objects: number, page: Page): string {
  const looked = plural(objects, 'object');
  if (findings.length === 0) return page.good(`No problems found in ${looked}.`);
  const parts = SEVERITIES.flatMap((severity) => {
    const count = findings.filter((one) => one.severity === severity).length;
    return count === 0 ? [] : [plural(count, severity)];
  });
  const last = parts.pop() ?? '';
  const counted = parts.length === 0 ? last : `${parts.join(', ')} and ${last}`;
  const worst = findings.some(({ severity }) => severity === 'error') ? page.bad : page.caution;
  return worst(`${counted} in ${looked}.`);
}
