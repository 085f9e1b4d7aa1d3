/** How a table stands: by one of its columns. */
export interface Sort {
  readonly column: string;
  readonly descending: boolean;
}

/** A column that a person may sort by. */
export interface Column<Row> {
  readonly key: string;
  readonly title: string;
  /** What rows are compared by; rows without a value come last, whichever way the table stands. */
  readonly value: (row: Row) => string | number | undefined;
  /** Numbers stand at the right. */
  readonly number?: boolean;
  /** Who sorts by it looks for the largest. */
  readonly largestFirst?: boolean;
}

/** `web-2` before `web-10`. */
const words = new Intl.Collator('en', { numeric: true });

/** The rows in this order; rows that are equal in it stay as they were. A column that is not there changes nothing. */
export function inOrder<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  { column, descending }: Sort,
): readonly Row[] {
  const chosen = columns.find(({ key }) => key === column);
  if (chosen === undefined) return rows;
  const sign = descending ? -1 : 1;
  return [...rows].sort((a, b) => {
    const [left, right] = [chosen.value(a), chosen.value(b)];
    if (left === undefined || right === undefined)
      return Number(left === undefined) - Number(right === undefined);
    return sign * compare(left, right);
  });
}

function compare(left: string | number, right: string | number): number {
  if (typeof left === 'number' && typeof right === 'number') return left - right;
  return words.compare(String(left), String(right));
}

/** What a press on a column's head makes of the order: that column, and the other way round if it is that already. */
export function pressed<Row>(sort: Sort, { key, largestFirst = false }: Column<Row>): Sort {
  return { column: key, descending: sort.column === key ? !sort.descending : largestFirst };
}

/** Whether each word of the search stands somewhere in the texts of a row. */
export function matches(search: string, texts: readonly string[]): boolean {
  const all = texts.join('\n').toLowerCase();
  return search
    .toLowerCase()
    .split(/\s+/)
    .every((word) => all.includes(word));
}
