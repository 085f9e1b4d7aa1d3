/** What stands where something was taken out. */
export const REMOVED = '[removed]';

/** Whole names of fields, headers and variables that hold secrets, or say so. */
const SECRET_NAME =
  /(^|[-_./])(authorization|cookie|set-cookie|password|passwd|pwd|secret|token|api-?key|access-?key|private-?key|credentials?|client-?secret|session)($|[-_.])/i;

/** Texts that are secrets wherever they stand, each with what is kept of it. */
const SECRET_TEXTS: readonly (readonly [RegExp, string])[] = [
  [/-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----[\s\S]*?(-----END [A-Z0-9 ]*PRIVATE KEY-----|$)/g, REMOVED],
  // Tokens of JWT form, signed or not.
  [/\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]*)?/g, REMOVED],
  [/\b(bearer|basic|digest|negotiate)\s+[A-Za-z0-9._~+/=-]{6,}/gi, `$1 ${REMOVED}`],
  [/([a-z][a-z0-9+.-]*:\/\/)[^\s/@"']+@/gi, `$1${REMOVED}@`],
  [
    /(["']?[\w.-]*(?:password|passwd|pwd|secret|token|api[-_]?key|access[-_]?key|authorization|cookie|credential)[\w.-]*["']?\s*[=:]\s*)("[^"\n]*"|'[^'\n]*'|[^\s,;&"'{}[\]]+)/gi,
    `$1${REMOVED}`,
  ],
  [/\b(AKIA|ASIA)[A-Z0-9]{16}\b/g, REMOVED],
  [/\bgh[pousr]_[A-Za-z0-9]{20,}\b/g, REMOVED],
  [/\bxox[abprs]-[A-Za-z0-9-]{10,}/g, REMOVED],
];

/** A text without what looks like a secret. Rather too much is taken out than too little. */
export function redactText(text: string): string {
  return SECRET_TEXTS.reduce((rest, [pattern, instead]) => rest.replace(pattern, instead), text);
}

/** An object as it may be shown: without values that its place says are secret, and without secrets in its texts. */
export function redactObject(value: unknown): unknown {
  if (typeof value === 'string') return redactText(value);
  if (Array.isArray(value)) return value.map(redactObject);
  if (typeof value !== 'object' || value === null) return value;
  const named = secretByName(value);
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => !LEFT_OUT.has(key))
      .map(([key, held]) => [key, isHidden(key, held, named) ? REMOVED : redactObject(held)]),
  );
}

/** Of metadata what repeats an object as somebody typed it, and what only the API server needs. */
const LEFT_OUT: ReadonlySet<string> = new Set([
  'kubectl.kubernetes.io/last-applied-configuration',
  'managedFields',
]);

/** Commands and variables of containers are their owners' business, whatever they are called. */
const ALWAYS: ReadonlySet<string> = new Set(['data', 'stringData', 'binaryData', 'command', 'args']);

function isHidden(key: string, held: unknown, named: boolean): boolean {
  if (ALWAYS.has(key)) return true;
  if (typeof held !== 'string') return false;
  return SECRET_NAME.test(key) || (named && (key === 'value' || key === 'exact' || key === 'prefix'));
}

/** `{name: authorization, value: ...}`: a header or a variable. All variables count, because any may hold one. */
function secretByName(value: object): boolean {
  const { name, value: held } = value as { readonly name?: unknown; readonly value?: unknown };
  if (typeof name !== 'string') return false;
  return SECRET_NAME.test(name) || (typeof held === 'string' && /^[A-Z][A-Z0-9_]*$/.test(name));
}
