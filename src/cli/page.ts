import Table from 'cli-table3';
import pc from 'picocolors';

/** How text may look: colours and lines for a person at a terminal, neither for a file or a pipe. */
export interface Page {
  readonly good: (text: string) => string;
  readonly bad: (text: string) => string;
  readonly caution: (text: string) => string;
  readonly strong: (text: string) => string;
  readonly faint: (text: string) => string;
  /** Rows under a head, columns as wide as they need. */
  readonly table: (head: readonly string[], rows: readonly (readonly string[])[]) => string;
}

/**
 * What suits a stream. Node leaves `isTTY` undefined for a pipe, and picocolors takes undefined for "decide yourself", which means
 * colours wherever `CI` is set: hence a boolean.
 */
export function pageFor(stream: Pick<NodeJS.WriteStream, 'hasColors'> & { readonly isTTY?: boolean }): Page {
  return createPage({ colours: stream.isTTY === true && stream.hasColors() });
}

export function createPage(options: { readonly colours: boolean }): Page {
  const colours = pc.createColors(options.colours);
  return {
    good: colours.green,
    bad: colours.red,
    caution: colours.yellow,
    strong: colours.bold,
    faint: colours.dim,
    table: (head, rows) => {
      const table = new Table({
        head: head.map((title) => colours.dim(title)),
        chars: BARE,
        style: { head: [], border: [], 'padding-left': 0, 'padding-right': 3 },
      });
      for (const row of rows) table.push([...row]);
      return table.toString().replace(/[ \t]+$/gm, '');
    },
  };
}

/** `1 pod`, `2 pods`: a count with its noun. */
export function plural(count: number, noun: string, many = `${noun}s`): string {
  return `${count} ${count === 1 ? noun : many}`;
}

/** No lines: columns align, and `awk` can read them. */
const BARE = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '',
};

/** Text of a cluster may come from anybody: without what would move a terminal's cursor or turn text around, but for colours. */
export function printable(text: string): string {
  return text.replaceAll(/\p{Cc}\[[\d;]*m|[\p{Cc}\p{Bidi_Control}]/gu, (found) =>
    found === '\n' || found === '\t' || found.startsWith('\u001b[') ? found : '',
  );
}
