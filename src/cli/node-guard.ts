/**
 * A line of JavaScript that ends the process with one sentence where its Node is older than `range` (as in `>=24`) asks
 * for. It stands before everything else of the bundle and uses only what every Node understands. src/build.mjs, which
 * Node runs as it is, imports this file: it imports nothing itself.
 */
export function nodeGuard(range: string): string {
  const least = Number(/^>=(\d+)$/.exec(range)?.[1]);
  if (!Number.isInteger(least))
    throw new Error(`engines.node is "${range}", and the guard knows only ">=NUMBER"`);
  const sentence = `weft: needs Node.js ${least} or newer, and this is ' + process.version + '; get it from https://nodejs.org or with: npm install -g node@${least}`;
  return `if (parseInt(process.versions.node, 10) < ${least}) { process.stderr.write('${sentence}\\n'); process.exit(1); }`;
}
