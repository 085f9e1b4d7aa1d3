import { readFileSync, readdirSync } from 'node:fs';
import { parseAllDocuments } from 'yaml';

/** An object of ours that a page of the documentation tells people to apply. */
export interface Example {
  /** Such as `docs/routing.md, block 2`. */
  readonly place: string;
  readonly object: { readonly apiVersion?: unknown; readonly kind?: unknown; readonly spec?: unknown };
}

/** Every object of Weft in the YAML blocks of the README and of the pages in `docs`. */
export function docsExamples(): readonly Example[] {
  const pages = readdirSync('docs').filter((name) => name.endsWith('.md'));
  return ['README.md', ...pages.map((name) => `docs/${name}`)]
    .flatMap(examplesOf)
    .filter(
      ({ object: { apiVersion } }) => typeof apiVersion === 'string' && apiVersion.startsWith('weft.dev/'),
    );
}

function examplesOf(page: string): Example[] {
  const blocks = [...readFileSync(page, 'utf8').matchAll(/^```yaml\n(.*?)^```$/gms)];
  return blocks.flatMap((block, index) => {
    const place = `${page}, block ${index + 1}`;
    return parseAllDocuments(block[1] ?? '').map((document) => {
      if (document.errors.length > 0) throw new Error(`${place}: ${document.errors.join()}`);
      return { place, object: document.toJS() as Example['object'] };
    });
  });
}
