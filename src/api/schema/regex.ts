import { RE2JS } from '@bufbuild/re2';

/**
 * Why a text is not a valid regular expression in RE2 syntax, or undefined when it is one. Proxies match in linear time, which
 * look-around and back-references make impossible; RE2 has neither.
 */
export function regexProblem(text: string): string | undefined {
  try {
    RE2JS.compile(text);
    return undefined;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return `is not a valid regular expression in RE2 syntax, which has no look-around or back-references (${why})`;
  }
}
