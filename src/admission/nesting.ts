const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN = new Set([0x5b, 0x7b]);
const CLOSE = new Set([0x5d, 0x7d]);

/**
 * Whether JSON is nested deeper than `limit`, told without parsing it: a megabyte of brackets would become a hundred
 * times as much memory. What is not JSON may get any answer; the parser tells.
 */
export function isNestedDeeper(json: Buffer, limit: number): boolean {
  let depth = 0;
  for (let at = 0; at < json.length; at++) {
    const byte = json[at] ?? 0;
    if (byte === QUOTE) at = endOfString(json, at);
    else if (OPEN.has(byte)) depth += 1;
    else if (CLOSE.has(byte)) depth -= 1;
    if (depth > limit) return true;
  }
  return false;
}

/** Index of the quote that ends the string which begins at `start`. */
function endOfString(json: Buffer, start: number): number {
  for (let at = start + 1; ; at++) {
    const next = json.indexOf(QUOTE, at);
    if (next < 0) return json.length;
    let backslashes = 0;
    while (json[next - 1 - backslashes] === BACKSLASH) backslashes += 1;
    if (backslashes % 2 === 0) return next;
    at = next;
  }
}
