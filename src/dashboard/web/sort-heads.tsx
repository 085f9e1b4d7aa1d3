import type { VNode } from 'preact';
import { pressed, type Column, type Sort } from './table-order.js';

/** The heads of a table's columns, each a button that sorts by it. */
export function SortHeads<Row>({
  columns,
  sort,
  onSort,
}: {
  columns: readonly Column<Row>[];
  sort: Sort;
  onSort: (sort: Sort) => void;
}): VNode {
  return (
    <>
      {columns.map((column) => {
        const chosen = sort.column === column.key;
        const order = sort.descending ? 'descending' : 'ascending';
        return (
          <th
            key={column.key}
            scope="col"
            class={column.number === true ? 'number' : ''}
            aria-sort={chosen ? order : 'none'}
          >
            <button type="button" class="sort" onClick={() => onSort(pressed(sort, column))}>
              {column.title}
            </button>
          </th>
        );
      })}
    </>
  );
}
