import { CATALOGUE, type Finding } from '../findings/index.js';
import { weftVersion } from '../version.js';

/** Findings as SARIF 2.1.0, which code hosts show beside the lines of a change. */
export function sarif(findings: readonly Finding[]): object {
  const used = new Set<string>(findings.map(({ code }) => code));
  const rules = CATALOGUE.filter(({ code }) => used.has(code));
  return {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [
      {
        tool: {
          driver: {
            name: 'weft',
            version: weftVersion(),
            rules: rules.map(({ code, severity, title, meaning, remedy }) => ({
              id: code,
              name: title,
              shortDescription: { text: title },
              fullDescription: { text: meaning },
              help: { text: remedy },
              defaultConfiguration: { level: severity },
            })),
          },
        },
        results: findings.map((finding) =>
          result(
            finding,
            rules.findIndex(({ code }) => code === finding.code),
          ),
        ),
      },
    ],
  };
}

function result({ code, severity, object, path, message, source }: Finding, ruleIndex: number): object {
  const logical = { fullyQualifiedName: path === '' ? object : `${object} ${path}`, kind: 'member' };
  const physical =
    source === undefined
      ? {}
      : {
          physicalLocation: {
            artifactLocation: { uri: source.file.replaceAll('\\', '/') },
            region: { startLine: source.line, startColumn: source.column },
          },
        };
  return {
    ruleId: code,
    ruleIndex,
    level: severity,
    message: { text: `${object}: ${path === '' ? '' : `${path}: `}${message}` },
    locations: [{ ...physical, logicalLocations: [logical] }],
  };
}
