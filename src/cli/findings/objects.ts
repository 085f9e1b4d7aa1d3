import { rows } from './row.js';
import { ofKind } from './known.js';
import { names } from '../../base/index.js';
import { ACCESS_DEFAULTS, OUTBOUND_POLICIES } from '../../model/index.js';

/** What an object of ours shows by itself. */
export const OBJECT_ROWS = rows([
  {
    code: 'WEFT101',
    severity: 'error',
    title: 'Unknown kind',
    meaning: 'The API group weft.dev has no kind of this name, so the API server refuses the object.',
    remedy: 'Correct the name; the finding names the nearest kind.',
  },
  {
    code: 'WEFT102',
    severity: 'error',
    title: 'Unknown field',
    meaning:
      'The field is not part of the schema. The API server drops it, at most with a warning, and the object does less than it says.',
    remedy: 'Correct the name; the finding names the nearest field, or those there are.',
  },
  {
    code: 'WEFT103',
    severity: 'error',
    title: 'Invalid value',
    meaning:
      'A value has the wrong type, is out of bounds, or contradicts another; the API server refuses the object.',
    remedy: 'Write a value that the finding allows; docs/reference describes each field.',
  },
  {
    code: 'WEFT104',
    severity: 'error',
    title: 'Field that is not supported yet',
    meaning:
      'The field is part of the API and does nothing in this version; the API server refuses it so that nobody relies on it.',
    remedy: 'Remove it, or do what the finding says instead.',
  },
  {
    code: 'WEFT105',
    severity: 'warning',
    title: 'Deprecated field',
    meaning: 'The field works, and has another name now; it goes away with a later version of the API.',
    remedy: 'Write the new name.',
  },
  {
    code: 'WEFT106',
    severity: 'warning',
    title: 'Label or annotation that nobody reads',
    meaning:
      'The name begins with weft.dev/ and is not one that Weft knows, or a label counts where an annotation was written, or the reverse.',
    remedy: 'Correct the name or its place; docs/injection.md lists those there are.',
  },
  {
    code: 'WEFT107',
    severity: 'warning',
    title: 'Label or annotation in the wrong place',
    meaning: 'It stands on a workload, and Weft reads it from the pods.',
    remedy: 'Write it into the template of the pods, where the finding says.',
  },
  {
    code: 'WEFT108',
    severity: 'error',
    title: 'Object written twice',
    meaning:
      'Two objects of the files have the same kind, namespace and name: whichever is applied last replaces the other.',
    remedy: 'Merge the two, or rename one.',
    find: ({ objects }) => {
      const same = Map.groupBy(
        objects.filter(({ source }) => source !== undefined),
        ({ apiVersion, title }) => `${apiVersion.split('/').slice(0, -1).join('')} ${title}`,
      );
      return [...same.values()].flatMap(([first, ...more]) =>
        more.map((object) => ({
          object,
          path: '',
          message: `is written in ${first?.source?.file ?? ''} already, line ${first?.source?.positionOf('').line ?? 1}; merge the two, or rename one`,
        })),
      );
    },
  },
  {
    code: 'WEFT109',
    severity: 'error',
    title: 'Label with a value that has no meaning',
    meaning:
      'weft.dev/inject is read as enabled or disabled, weft.dev/default-access as Allow, DryRunDeny or Deny, and weft.dev/outbound-policy as AllowAny, DryRunRegistryOnly or RegistryOnly. Any other value of the first gives no pod a proxy, any other of the second is taken for Deny, of the third for RegistryOnly.',
    remedy: 'Write one of the values.',
    find: (known) =>
      ofKind(known, 'Namespace', '').flatMap((object) =>
        LABELS.flatMap(({ label, values }) => {
          const value = object.raw.metadata?.labels?.[label];
          if (value === undefined || values.includes(value)) return [];
          const message = `${label}=${value} has no meaning; write ${values.join(' or ')}`;
          return [{ object, path: 'metadata.labels', message }];
        }),
      ),
  },
]);

const LABELS: readonly { readonly label: string; readonly values: readonly string[] }[] = [
  { label: names.Label.inject, values: ['enabled', 'disabled'] },
  { label: names.Label.defaultAccess, values: Object.keys(ACCESS_DEFAULTS) },
  { label: names.Label.outboundPolicy, values: Object.keys(OUTBOUND_POLICIES) },
];
