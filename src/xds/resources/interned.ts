/** Texts that many entries share, each written once and referred to by its place, counted from one. */
export class Interned {
  readonly #places = new Map<string, number>();

  /** The place of a text; 0 for none. */
  index(text: string | undefined): number {
    if (text === undefined || text === '') return 0;
    const place = this.#places.get(text) ?? this.#places.size + 1;
    this.#places.set(text, place);
    return place;
  }

  /** The texts in the order of their places. */
  values(): string[] {
    return [...this.#places.keys()];
  }
}
