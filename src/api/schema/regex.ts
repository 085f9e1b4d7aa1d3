/**
 * Why a text is no regular expression in RE2 syntax, or undefined when it is one. Proxies match in linear time, and
 * look-around and back-references cannot be matched so. JavaScript's own expressions know them, so they are looked
 * for first; what only RE2 knows is written the JavaScript way before it judges the rest.
 */
export function regexProblem(text: string): string | undefined {
  const bare = text.replace(/\\[^1-9k]/g, '').replace(/\[\^?\]?[^\]]*\]/g, '');
  if (/\(\?<?[=!]/.test(bare))
    return 'uses look-around, which RE2 syntax does not have; match the value in another way';
  if (/\\[1-9]|\\k</.test(bare)) {
    return 'uses a back-reference, which RE2 syntax does not have; write the repeated part out';
  }
  try {
    new RegExp(toJavaScript(text));
    return undefined;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return `is no regular expression in RE2 syntax: ${why}`;
  }
}

function toJavaScript(text: string): string {
  return text
    .replaceAll('(?P<', '(?<')
    .replace(/\(\?[imsU-]+\)/g, '')
    .replace(/\(\?[imsU-]+:/g, '(?:')
    .replaceAll('\\A', '^')
    .replaceAll('\\z', '$');
}
