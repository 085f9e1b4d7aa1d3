import { byName, purlOf, type Part } from './part.js';

export interface ImageParts {
  readonly reference: string;
  readonly version: string;
  /** Of the manifest, such as `sha256:...`. */
  readonly digest: string;
  readonly parts: readonly Part[];
  /** SHA-256 of each file that a part claims. */
  readonly hashes: ReadonlyMap<string, string>;
}

/**
 * A CycloneDX 1.6 document (https://cyclonedx.org/docs/1.6/json/). The same image gives the same text: it has neither a
 * time nor a serial number, and its lists are sorted.
 */
export function sbom({ reference, version, digest, parts, hashes }: ImageParts): string {
  const components = [...parts].sort(byName).map((part) => componentOf(part, reference, hashes));
  return `${JSON.stringify(
    {
      $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
      bomFormat: 'CycloneDX',
      specVersion: '1.6',
      version: 1,
      metadata: {
        component: {
          type: 'container',
          'bom-ref': reference,
          name: reference,
          version,
          hashes: [{ alg: 'SHA-256', content: digest.replace('sha256:', '') }],
        },
      },
      components,
      dependencies: [
        { ref: reference, dependsOn: components.map((component) => component['bom-ref']) },
        ...components.flatMap((component) =>
          component.components === undefined
            ? []
            : [
                {
                  ref: component['bom-ref'],
                  dependsOn: component.components.map((inner) => inner['bom-ref']),
                },
              ],
        ),
      ],
    },
    null,
    2,
  )}\n`;
}

interface Component {
  readonly type: 'application' | 'library';
  /** Tells the same library in two of our programs apart. */
  readonly 'bom-ref': string;
  readonly name: string;
  readonly version: string;
  readonly purl?: string | undefined;
  readonly licenses?: readonly { readonly expression: string }[] | undefined;
  readonly properties?: readonly { readonly name: string; readonly value: string }[] | undefined;
  readonly components?: readonly Component[] | undefined;
}

function componentOf(part: Part, within: string, hashes: ReadonlyMap<string, string>): Component {
  const { name, version, licence, files, parts } = part;
  const purl = purlOf(part);
  const reference = `${within}/${purl ?? `${name}@${version}`}`;
  // Properties of this name are ours: a file of the image, with its hash.
  const properties = files.map((file) => ({
    name: 'weft:file',
    value: `${file} sha256:${hashes.get(file) ?? ''}`,
  }));
  return {
    type: part.from === 'weft' ? 'application' : 'library',
    'bom-ref': reference,
    name,
    version,
    purl,
    licenses: licence === undefined ? undefined : [{ expression: licence }],
    properties: properties.length === 0 ? undefined : properties,
    components: parts.length === 0 ? undefined : parts.map((inner) => componentOf(inner, reference, hashes)),
  };
}
