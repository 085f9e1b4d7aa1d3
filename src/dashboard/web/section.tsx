import type { ComponentChildren, VNode } from 'preact';

/** A part of the page with its heading. */
export function Section({
  title,
  note,
  children,
}: {
  title: string;
  note?: string;
  children: ComponentChildren;
}): VNode {
  return (
    <section>
      <h2>
        {title}
        {note !== undefined && <small>{note}</small>}
      </h2>
      <div class="card">{children}</div>
    </section>
  );
}
