import { importCa } from '../../../src/identity/index.js';
import { FIT_BUNDLES, makeCaBundles, UNFIT_BUNDLES } from '../../../src/testing/ca-bundles.js';
import type { Row } from '../row.js';

/** The rows about CAs that people bring. */
export function bundleRows(): readonly Row[] {
  return [
    {
      area: 'CA import',
      name: 'of 35 bundles by openssl those with nothing wrong are taken',
      play: async () => {
        const made = await makeCaBundles();
        const taken = async (
          name: string,
          bundle: Parameters<typeof importCa>[0],
        ): Promise<string | undefined> =>
          importCa(bundle, 'Secret weft-system/corp', Date.now()).then(
            () => undefined,
            (thrown: unknown) => `${name}: ${String(thrown)}`,
          );
        const wrong: string[] = [];
        for (const [name, bundle, message] of UNFIT_BUNDLES) {
          const why = await taken(name, bundle(made));
          if (why === undefined || !message.test(why)) wrong.push(why ?? `${name}: it was taken`);
        }
        for (const [name, bundle] of FIT_BUNDLES) {
          const why = await taken(name, bundle(made));
          if (why !== undefined) wrong.push(why);
        }
        return { attempts: UNFIT_BUNDLES.length, twins: FIT_BUNDLES.length, wrong };
      },
    },
  ];
}
