import type { ComponentChildren, VNode } from 'preact';

/** Head of a column of numbers. */
export function NumberHead({ children }: { children: ComponentChildren }): VNode {
  return (
    <th scope="col" class="number">
      {children}
    </th>
  );
}
